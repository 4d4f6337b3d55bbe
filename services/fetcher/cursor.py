"""Where reading goes on: the cursor of a folder, opened after each SELECT and saved under the lease's fence."""

from collections.abc import Callable
from datetime import datetime

import structlog

from services.fetcher import decide
from services.fetcher.errors import LeaseLost, MessageTrouble
from services.fetcher.ports import Books, ImapSession, Selected
from shared.domain.mailbox import Imap, Mailbox, StartFrom
from shared.domain.mailbox_runtime import Cursor, Lease
from shared.domain.sighting import Sight
from shared.observability.crash_points import crash_point

log = structlog.get_logger(__name__)

NEWEST = 30
"""UIDs whose mails are compared with the ledger after each connection."""


async def open_cursor(
    session: ImapSession,
    selected: Selected,
    books: Books,
    mailbox: Mailbox,
    lease: Lease,
    now: Callable[[], datetime],
) -> Cursor:
    """The cursor to go on from, saved already if it is new: what counts as new mail is decided once.

    A mailbox that was pointed at another account has a cursor and sightings for each: their UIDs mean nothing to each
    other, though their UIDVALIDITY may be the same.
    Raises LeaseLost, StoreUnavailable and the session's errors.
    """
    imap = mailbox.spec.imap
    account = decide.account(imap.host, mailbox.spec.login)
    cursor = found = await books.runtime.cursor(mailbox.name, imap.folder)
    if cursor is not None and cursor.account not in ("", account):
        key = f"{imap.folder} of {account}"
        found = await books.runtime.cursor(mailbox.name, key)
        cursor = found or decide.of_another_account(cursor, key, selected.uid_validity, now())
        if found is None:
            log.warning("mailbox_account_changed", mailbox=mailbox.name, taken_since=str(cursor.baseline_at))
    if cursor is None:
        moved = await _first(session, selected, imap, now)
    else:
        moved = await _same_or_next(session, selected, books, mailbox.name, cursor)
    moved = moved.model_copy(update={"account": account})
    if moved != found:
        await save_cursor(books, mailbox.name, lease, moved)
        crash_point("fetcher.after_epoch")
    return moved


async def _first(session: ImapSession, selected: Selected, imap: Imap, now: Callable[[], datetime]) -> Cursor:
    start = imap.start_from
    since = [] if isinstance(start, StartFrom) else await session.search_since(start)
    return decide.first_cursor(imap.folder, selected, start, await session.search_all(), since, now())


async def _same_or_next(session: ImapSession, selected: Selected, books: Books, mailbox: str, cursor: Cursor) -> Cursor:
    """A server without lasting UIDs (UIDVALIDITY 0) starts an epoch with every connection; identity does the rest."""
    validity = selected.uid_validity or -(cursor.epoch + 1)
    same = cursor.uid_validity == validity
    if same and not await _rolled_back(session, selected, books, mailbox, cursor):
        return cursor
    log.warning("folder_epoch", mailbox=mailbox, epoch=cursor.epoch + 1, rolled_back=same)
    return decide.next_epoch(cursor, validity)


async def _rolled_back(session: ImapSession, selected: Selected, books: Books, mailbox: str, cursor: Cursor) -> bool:
    """Whether UIDs that we know mean other mails under the same UIDVALIDITY: the server was restored from a backup.

    The newest UIDs tell: they are the ones that it has forgotten, and gives again.
    """
    if decide.went_back(cursor, selected) and not await session.search_above(selected.uid_next - 1):
        return True
    newest = range(max(1, cursor.low_water - NEWEST), cursor.low_water + 1)
    sightings = await books.sightings.at(mailbox, cursor.folder, cursor.validity, newest)
    mails = {one.uid: one.mail_id for one in sightings if one.state is Sight.MAIL and one.mail_id is not None}
    if not mails:
        return False
    try:
        outlines = await session.outlines(tuple(mails))
    except MessageTrouble:
        return False
    entries = await books.ledger.get_many(tuple(mails.values()))
    known = {uid: entries[mail].origin.internal_date for uid, mail in mails.items() if mail in entries}
    return any(one.internal_date != known.get(one.uid, one.internal_date) for one in outlines)


async def save_cursor(books: Books, mailbox: str, lease: Lease, cursor: Cursor) -> None:
    """Save it under the lease's fence. Raises LeaseLost."""
    if not await books.runtime.save_cursor(mailbox, lease, cursor):
        raise LeaseLost("another fetcher has taken over", where=f"mailbox {mailbox}")
    crash_point("fetcher.after_cursor")
