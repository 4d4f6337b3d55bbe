"""`store init|upgrade`: what the store needs before services start."""

import typer

from services.console.cli.exits import Exit
from services.console.cli.session import Session, session_of
from shared.store import upgrade as upgrading
from shared.store.client import Store
from shared.store.indexes import ensure_indexes, verify_indexes


def init(context: typer.Context) -> int:
    """Make the unique indexes that the services refuse to run without. Safe to repeat."""
    session = session_of(context)

    async def work(store: Store) -> None:
        await ensure_indexes(store)
        await verify_indexes(store)

    session.run(work)
    return _ok(session, "the store is ready: all indexes are there and kept")


def upgrade(context: typer.Context) -> int:
    """Give mails and tickets of an older version the keys that searches find them by. The bookkeeper does so, too."""
    session = session_of(context)
    count = session.run(upgrading.upgrade)
    return _ok(session, f"{count} document(s) brought up to date")


def _ok(session: Session, sentence: str) -> int:
    if session.printer.for_people:
        session.printer.line(sentence)
    else:
        session.printer.data({"ok": True, "sentence": sentence})
    return Exit.OK
