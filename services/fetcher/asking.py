"""Asks a server about mails of which it may refuse any single one for ever: that one must not hold up the others."""

from collections.abc import Sequence

import structlog

from services.fetcher.decide import Batch
from services.fetcher.errors import MessageTrouble, NetworkTrouble, ServerTrouble
from services.fetcher.ports import FetchedMail, ImapSession, Outline, Preview
from services.fetcher.troubles import Troubles

log = structlog.get_logger(__name__)

START_BYTES = 256 * 1024
"""What is taken of a mail over the cap."""


async def outlines(session: ImapSession, uids: Sequence[int], troubles: Troubles) -> tuple[list[Outline], set[int]]:
    """Size and date of each that the server tells, and the UIDs that it refuses to tell: these count as failed.

    Seen in practice: Dovecot hangs up when it is asked for the size of a mail that it cannot read. What was asked for
    when a connection broke is asked for alone the next time, and last.
    """
    doubted = [uid for uid in uids if uid in troubles.doubted]
    found: list[Outline] = []
    refused: set[int] = set()
    for some in ([uid for uid in uids if uid not in troubles.doubted], *([uid] for uid in doubted)):
        told, not_told = await _outlines(session, some, troubles) if some else ([], set[int]())
        found += told
        refused |= not_told
    return found, refused


async def _outlines(session: ImapSession, uids: Sequence[int], troubles: Troubles) -> tuple[list[Outline], set[int]]:
    try:
        told = await session.outlines(uids)
        troubles.doubted.difference_update(uids)
        return told, set()
    except MessageTrouble as error:
        if len(uids) == 1:
            troubles.failed(uids[0], alone=True)
            log.warning("mail_not_told", mailbox=troubles.mailbox, uid=uids[0], error=error.line())
            return [], set(uids)
    except (NetworkTrouble, ServerTrouble):
        troubles.untold(uids)
        raise
    found: list[Outline] = []
    refused: set[int] = set()
    half = len(uids) // 2
    for some in (uids[:half], uids[half:]):
        told, not_told = await _outlines(session, some, troubles)
        found += told
        refused |= not_told
    return found, refused


async def previews(session: ImapSession, uids: Sequence[int], troubles: Troubles) -> list[Preview]:
    """The headers of each; of none, if the server refuses one: then they are downloaded like any other mail.

    So are those that were asked for when a connection broke: as whole mails, each has its tries and becomes a hole.
    """
    asked = [uid for uid in uids if uid not in troubles.headless]
    try:
        return await session.previews(asked) if asked else []
    except MessageTrouble:
        return []
    except (NetworkTrouble, ServerTrouble):
        troubles.headless.update(asked)
        raise


async def fetch(session: ImapSession, batch: Batch, troubles: Troubles) -> tuple[list[FetchedMail], frozenset[int]]:
    """The mails of a batch, and the UIDs of which the server said that all is well and gave nothing.

    Those that it refuses are counted in `troubles`, and are in neither.
    """
    try:
        mails = await _at_once(session, batch)
        silent = frozenset(batch.uids) - {one.uid for one in mails}
    except MessageTrouble as error:
        mails, silent = await _singly(session, batch, troubles, error)
    except (NetworkTrouble, ServerTrouble):
        # One of these may have broken the connection. Next time each goes alone, and last.
        for uid in batch.uids:
            troubles.failed(uid, alone=len(batch.uids) == 1)
        raise
    for one in mails:
        troubles.tries.pop(one.uid, None)
    return mails, silent


async def _at_once(session: ImapSession, batch: Batch) -> list[FetchedMail]:
    if not batch.start_only:
        return await session.fetch(batch.uids, batch.size)
    start = await session.fetch_start(batch.uids[0], START_BYTES)
    return [start] if start is not None else []


async def _singly(
    session: ImapSession, batch: Batch, troubles: Troubles, error: MessageTrouble
) -> tuple[list[FetchedMail], frozenset[int]]:
    if len(batch.uids) == 1:
        uid = batch.uids[0]
        troubles.failed(uid, alone=True)
        log.warning("mail_not_fetched", mailbox=troubles.mailbox, uid=uid, error=error.line())
        return [], frozenset()
    found = [await fetch(session, Batch((uid,), batch.size), troubles) for uid in batch.uids]
    return [mail for mails, _ in found for mail in mails], frozenset(uid for _, silent in found for uid in silent)
