"""`store check`: what the server guarantees, proven on it, as a table."""

import typer

from services.console.cli.exits import Exit
from services.console.cli.output import complain
from services.console.cli.session import session_of
from shared.store.client import Store
from shared.store.gate import Finding, prove
from shared.store.indexes import verify_indexes

COLUMNS = ("guarantee", "holds", "what", "found")


def check(context: typer.Context) -> int:
    """Prove on the server itself what the services rely on: its indexes, and how it behaves when many ask at once.

    Writes and removes scratch documents. Exit 1 if one thing does not hold, with what that means.
    """
    session = session_of(context)

    async def work(store: Store) -> tuple[Finding, ...]:
        await verify_indexes(store)
        return await prove(session.open)

    found = session.run(work)
    records = [
        {"guarantee": one.guarantee.name, "holds": one.holds, "what": one.guarantee.what, "found": one.wrong}
        for one in found
    ]
    session.printer.records("What the store guarantees", COLUMNS, records)
    broken = [one for one in found if not one.holds]
    for one in broken:
        means = one.guarantee.otherwise
        complain("error", f"{one.guarantee.name}: {one.wrong}; on such a server {means} -> use MongoDB 6 or newer")
    if session.printer.for_people and not broken:
        session.printer.line("The store answers, all indexes are there, and everything that is relied on holds.")
    return Exit.ERROR if broken else Exit.OK
