"""nx-27017 with one commit per command, in one thread, and some shorter ways: the program that `embedded_store` runs.

nx-27017 commits every document of a bulk by itself, and a journaled commit waits for the disk. MongoDB writes its
journal once per command; so does this: an insert or update of many documents is one SQLite transaction, flushed to disk
(`synchronous = FULL`) before it is acknowledged. Each document still succeeds or fails by itself, as in an unordered
bulk. Must never acknowledge before the flush.

Commands of one database wait for each other in any case. So they run in the thread that reads them: one for each was a
tenth of the store's time, and some milliseconds of waiting for the interpreter at each change from one to the other.
"""

import asyncio
import functools
import logging
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, Final, Protocol, TypeVar, cast

from services.all_in_one import embedded_shortcuts
from shared.runtime.garbage import collect_rarely

GROUPED: Final = ("insert", "update")
"""Commands that write many documents. GridFS is left out: it has transactions of its own."""

T = TypeVar("T")
Message = Mapping[str, Any]
Answer = tuple[int, dict[str, Any]]


class Connection(Protocol):
    """nx-27017's connection to one database."""

    @property
    def db(self) -> sqlite3.Connection: ...


class Handler(Protocol):
    """nx-27017's handler of commands, as far as it is used here."""

    def _lock_for(self, db_name: str) -> AbstractContextManager[object]: ...
    def get_database(self, db_name: str) -> Connection: ...


Handle = Callable[[Handler, Message], Answer]


def grouped(handle: Handle) -> Handle:
    """A handle method that commits once, after the whole command."""

    @functools.wraps(handle)
    def whole(handler: Handler, message: Message) -> Answer:
        name = _database(message)
        if name is None:
            return handle(handler, message)
        with handler._lock_for(name):  # pyright: ignore[reportPrivateUsage]  # the lock that the method itself takes
            database = handler.get_database(name).db
            database.execute("PRAGMA synchronous = FULL")
            database.execute("BEGIN IMMEDIATE")
            try:
                return handle(handler, message)
            finally:
                if database.in_transaction:
                    database.commit()

    return whole


def _database(message: Message) -> str | None:
    """The database that a command of ours writes many documents to; None for every other command."""
    sections = cast(Sequence[tuple[str, Message]], message.get("sections", ()))
    nothing: Message = {}
    body = next((content for kind, content in sections if kind == "body"), nothing)
    collection = next((str(body[command]) for command in GROUPED if command in body), "")
    if not collection or collection.endswith((".files", ".chunks")):
        return None
    return str(body.get("$db", "test"))


async def at_once(work: Callable[..., T], /, *args: object, **more: object) -> T:
    """What `asyncio.to_thread` does, there and then, in the thread that asks for it."""
    return work(*args, **more)


def main() -> None:
    """Run nx-27017 with the command line that it was given."""
    logging.disable(logging.CRITICAL)
    from nx_27017 import nx_27017 as server  # after its loggers are off
    from nx_27017.handler import NeoSQLiteHandler

    embedded_shortcuts.take()
    for name in ("handle_insert", "handle_command"):
        setattr(NeoSQLiteHandler, name, grouped(getattr(NeoSQLiteHandler, name)))
    asyncio.to_thread = at_once
    collect_rarely()
    server.main()


if __name__ == "__main__":
    main()
