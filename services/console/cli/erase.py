"""`erase`: delete what is held of a person. Prints counts; never the address, and nothing that the person wrote."""

import sys
from dataclasses import asdict
from typing import Annotated

import typer

from services.console import erasure
from services.console.cli.actor import actor
from services.console.cli.exits import Exit
from services.console.cli.replay import Yes, agreed
from services.console.cli.session import Session, session_of
from services.console.erasure import Counts, Scope

OUT_OF_REACH = (
    "events that were sent: whoever subscribes keeps what it got",
    "the mails themselves, in the mailbox on their server",
    "backups of the store, until they are deleted: erase again after restoring one",
    "acknowledgements that were sent, and logs",
    "mails of other people that name or quote the person",
)
"""What nobody can erase from here."""


def erase(
    context: typer.Context,
    sender: Annotated[str, typer.Option("--sender", metavar="ADDRESS", help="Whose mails, whatever case.")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what is held.")] = False,
    yes: Yes = False,
) -> int:
    """Erase the personal data of a sender: mails, the tickets they opened, replies, fingerprints.

    Says first what is held. Numbers, outcomes and the identity of mails stay, so that the books balance and no mail
    that is still in its mailbox becomes a ticket again. Safe to interrupt and to repeat. Exit 1 if something is left.
    """
    session = session_of(context)

    async def find(store: erasure.Store) -> tuple[Scope, Counts]:
        scope = await erasure.look(store, sender)
        return scope, await erasure.count(store, scope)

    scope, held = session.run(find)
    if session.printer.for_people:
        _say(session, held, scope)
    if dry_run:
        return _end(session, held, None, scope)
    if not yes and not agreed("Erase it? It cannot be undone.", "erase"):
        raise typer.Abort
    left = session.run(lambda store: erasure.erase(store, actor(), scope, held))
    return _end(session, held, left, scope)


def _say(session: Session, held: Counts, scope: Scope) -> None:
    session.printer.pairs("Held of this sender", {name.replace("_", " "): n for name, n in asdict(held).items()})
    for one in scope.configuration:
        session.printer.line(f"named in the configuration, which is not changed: {one}")
    session.printer.line("Out of reach: " + "; ".join(OUT_OF_REACH) + ".")


def _end(session: Session, held: Counts, left: Counts | None, scope: Scope) -> int:
    """Say what was done. `left` is None where nothing was to be."""
    if not session.printer.for_people:
        record = {"held": asdict(held), "left": asdict(left) if left else None, "dry_run": left is None}
        session.printer.data(record | {"configuration": list(scope.configuration), "out_of_reach": list(OUT_OF_REACH)})
    elif left is None:
        session.printer.line("dry run, nothing erased")
    else:
        session.printer.line(f"erased: {held.mails - left.mails} mails, {held.tickets - left.tickets} tickets")
    if left is not None and left.left:
        remedy = "replay or discard what is in quarantine, wait a minute, and run it again"
        sys.stderr.write(f"error: {left.left} mails or tickets are not at rest yet -> {remedy}\n")
        return Exit.ERROR
    return Exit.OK
