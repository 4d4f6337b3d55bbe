"""`topology check|apply`: the broker's exchanges and queues, before services start."""

import asyncio
from typing import Any

import typer

from services.console.cli.exits import Exit
from services.console.cli.output import complain
from services.console.cli.session import session_of

COLUMNS = ("part", "state", "found")
REMEDIES = {
    "missing": "let the operator create it, or run `mail-automator topology apply`",
    "different": "its arguments cannot be changed: delete it when it is empty, or use another virtual host",
}


def check(context: typer.Context) -> int:
    """Look for each exchange and queue that the services need. Declares nothing; bindings cannot be asked for.

    Exit 1 if one is missing, or is there with other arguments.
    """
    from shared.broker.declaring import look  # only here: its driver takes long to import

    session = session_of(context)
    found = asyncio.run(look(session.broker_settings()))
    records: list[dict[str, Any]] = [{"part": one.title, "state": one.state, "found": one.wrong} for one in found]
    session.printer.records("The topology", COLUMNS, records)
    wrong = [one for one in found if one.state in REMEDIES]
    for one in wrong:
        complain("error", f"{one.title} is {one.state} -> {REMEDIES[one.state]}")
    if session.printer.for_people and not wrong:
        session.printer.line("Every exchange and queue is there.")
    return Exit.ERROR if wrong else Exit.OK


def apply(context: typer.Context) -> int:
    """Declare and bind each exchange and queue that is not there yet. Safe to repeat; changes nothing that is there."""
    from shared.broker.declaring import apply as declare_all  # only here: its driver takes long to import

    session = session_of(context)
    asyncio.run(declare_all(session.broker_settings()))
    sentence = "the topology is complete: every exchange, queue and binding is there"
    if session.printer.for_people:
        session.printer.line(sentence)
    else:
        session.printer.data({"ok": True, "sentence": sentence})
    return Exit.OK
