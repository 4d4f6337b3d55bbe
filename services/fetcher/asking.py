"""Asks a server about mails of which it may refuse any single one for ever: that one must not hold up the others."""

from collections.abc import Sequence

import structlog

from services.fetcher.errors import MessageTrouble
from services.fetcher.ports import ImapSession, Outline, Preview
from services.fetcher.troubles import Troubles

log = structlog.get_logger(__name__)


async def outlines(session: ImapSession, uids: Sequence[int], troubles: Troubles) -> tuple[list[Outline], set[int]]:
    """Size and date of each that the server tells, and the UIDs that it refuses to tell: these count as failed."""
    try:
        return await session.outlines(uids), set()
    except MessageTrouble as error:
        if len(uids) == 1:
            troubles.failed(uids[0], alone=True)
            log.warning("mail_not_told", mailbox=troubles.mailbox, uid=uids[0], error=error.line())
            return [], set(uids)
    found: list[Outline] = []
    refused: set[int] = set()
    half = len(uids) // 2
    for some in (uids[:half], uids[half:]):
        told, not_told = await outlines(session, some, troubles)
        found += told
        refused |= not_told
    return found, refused


async def previews(session: ImapSession, uids: Sequence[int]) -> list[Preview]:
    """The headers of each; of none, if the server refuses one: then they are downloaded like any other mail."""
    try:
        return await session.previews(uids)
    except MessageTrouble:
        return []
