"""Where reading goes on: the cursor of a folder, opened after each SELECT and saved under the lease's fence."""

from collections.abc import Callable
from datetime import datetime

from services.fetcher import decide
from services.fetcher.errors import LeaseLost
from services.fetcher.ports import Books, ImapSession, Selected
from shared.domain.mailbox import Imap, StartFrom
from shared.domain.mailbox_runtime import Cursor, Lease


async def open_cursor(
    session: ImapSession,
    selected: Selected,
    books: Books,
    mailbox: str,
    imap: Imap,
    lease: Lease,
    now: Callable[[], datetime],
) -> Cursor:
    """The cursor to go on from, saved already if it is new: what counts as new mail is decided once.

    Raises LeaseLost, StoreUnavailable and the session's errors.
    """
    cursor = await books.runtime.cursor(mailbox, imap.folder)
    moved = await _first(session, selected, imap, now) if cursor is None else _same_or_next(cursor, selected)
    if moved != cursor:
        await save_cursor(books, mailbox, lease, moved)
    return moved


async def _first(session: ImapSession, selected: Selected, imap: Imap, now: Callable[[], datetime]) -> Cursor:
    start = imap.start_from
    since = [] if isinstance(start, StartFrom) else await session.search_since(start)
    return decide.first_cursor(imap.folder, selected, start, await session.search_all(), since, now())


def _same_or_next(cursor: Cursor, selected: Selected) -> Cursor:
    """A server without lasting UIDs (UIDVALIDITY 0) starts an epoch with every connection; identity does the rest."""
    validity = selected.uid_validity or -(cursor.epoch + 1)
    return cursor if cursor.uid_validity == validity else decide.next_epoch(cursor, validity)


async def save_cursor(books: Books, mailbox: str, lease: Lease, cursor: Cursor) -> None:
    """Save it under the lease's fence. Raises LeaseLost."""
    if not await books.runtime.save_cursor(mailbox, lease, cursor):
        raise LeaseLost("another fetcher has taken over", where=f"mailbox {mailbox}")
