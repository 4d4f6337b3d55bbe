"""`store init|key`: what the store needs before services start, and the key of its secrets."""

from pathlib import Path
from typing import Annotated

import typer

from services.console.cli.exits import Exit
from services.console.cli.session import Session, session_of
from shared.store.client import Store
from shared.store.encryption import create_key_file
from shared.store.indexes import ensure_indexes, verify_indexes


def init(context: typer.Context) -> int:
    """Make the unique indexes that the services refuse to run without. Safe to repeat."""
    session = session_of(context)

    async def work(store: Store) -> None:
        await ensure_indexes(store)
        await verify_indexes(store)

    session.run(work)
    return _ok(session, "the store is ready: all indexes are there and kept")


def key(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Where; must not exist.")],
) -> int:
    """Make a new key file for the secrets in the store, readable by its owner only. Keep a copy in a safe place."""
    session = session_of(context)
    create_key_file(file)
    return _ok(session, f"key written to {file}: set MAIL_AUTOMATOR_STORE_KEY_FILE to it for every service")


def _ok(session: Session, sentence: str) -> int:
    if session.printer.for_people:
        session.printer.line(sentence)
    else:
        session.printer.data({"ok": True, "sentence": sentence})
    return Exit.OK
