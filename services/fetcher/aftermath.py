"""The after-fetch action: what happens to the server's copy, and only once the mail's decision is final.

A UID alone is not trusted (RFC 2683 section 3.4.3): before a mail is touched, its INTERNALDATE and Message-ID are
compared with the ledger's. Must never touch a mail that the ledger does not know as done.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Literal

from services.fetcher.place import Place
from services.fetcher.ports import Books, Clock, ImapSession, Marked
from shared.domain.ledger import LedgerEntry, State
from shared.domain.mailbox import AfterFetch, AfterFetchAction
from shared.domain.sighting import Sight
from shared.observability.crash_points import crash_point

PAGE = 500
IN_FLIGHT = frozenset({State.STORED, State.DECIDED})
DATE_SLACK = timedelta(days=2)
"""SEARCH knows days of the server's own time zone only."""
_MARKS: dict[AfterFetchAction, Literal["seen", "flagged", "deleted"]] = {
    AfterFetchAction.MARK_SEEN: "seen",
    AfterFetchAction.FLAG: "flagged",
    # A server without MOVE and UIDPLUS keeps what was copied, flagged as deleted, until its owner expunges.
    AfterFetchAction.MOVE: "deleted",
    AfterFetchAction.DELETE: "deleted",
}
_HARMLESS = frozenset({AfterFetchAction.MARK_SEEN, AfterFetchAction.FLAG})


@dataclass(frozen=True, slots=True)
class Aftermath:
    """The action of one mailbox. Of mails over `mail_bytes` only a start was taken: they are never moved or deleted.
    Imported mail stays as it lies."""

    action: AfterFetch
    books: Books
    mail_bytes: int
    clock: Clock

    async def apply(self, session: ImapSession, place: Place, baseline: int) -> bool:
        """Act on every mail above the baseline that is final; True if some are in flight still.

        Repeating it changes nothing. Raises the session's errors and StoreUnavailable.
        """
        if self.action.action is AfterFetchAction.NOTHING:
            return False
        uids = [uid for uid in await self._candidates(session) if uid > baseline]
        pending = False
        for at in range(0, len(uids), PAGE):
            entries = await self._entries(place, uids[at : at + PAGE])
            pending = pending or any(entry.state in IN_FLIGHT for entry in entries.values())
            await self._act(session, {uid: entry for uid, entry in entries.items() if self._may(entry)})
        return pending

    async def _candidates(self, session: ImapSession) -> list[int]:
        return await session.search_unmarked(_MARKS[self.action.action], self._before())

    def _before(self) -> date | None:
        """A mail has been ours for some days only if it arrived as many days ago."""
        days = self.action.days
        return (self.clock.now() - timedelta(days=days) + DATE_SLACK).date() if days else None

    async def _entries(self, place: Place, uids: Sequence[int]) -> dict[int, LedgerEntry]:
        seen = await self.books.sightings.at(place.mailbox, place.folder, place.uid_validity, uids)
        mails = {one.uid: one.mail_id for one in seen if one.mail_id is not None and one.state is Sight.MAIL}
        entries = await self.books.ledger.get_many(tuple(set(mails.values())))
        return {uid: entries[mail] for uid, mail in mails.items() if mail in entries}

    def _may(self, entry: LedgerEntry) -> bool:
        whole = entry.origin.size <= self.mail_bytes or self.action.action in _HARMLESS
        old_enough = self.clock.now() - entry.stored_at >= timedelta(days=self.action.days)
        return entry.state is State.DONE and whole and old_enough and not entry.origin.imported

    async def _act(self, session: ImapSession, final: Mapping[int, LedgerEntry]) -> None:
        if not final:
            return
        marks = await session.marks(tuple(final))
        uids = tuple(_same(final, marks.values()))
        if not uids:
            return
        match self.action:
            case AfterFetch(action=AfterFetchAction.MARK_SEEN):
                await session.mark_seen(uids)
            case AfterFetch(action=AfterFetchAction.FLAG):
                await session.flag(uids)
            case AfterFetch(action=AfterFetchAction.MOVE, folder=str(folder)):
                await session.move(uids, folder)
            case _:
                await session.delete(uids)
        crash_point("fetcher.after_action")


def _same(final: Mapping[int, LedgerEntry], marks: Iterable[Marked]) -> Iterable[int]:
    for mark in marks:
        entry = final[mark.uid]
        if (mark.internal_date, mark.message_id) == (entry.origin.internal_date, entry.headline.message_id):
            yield mark.uid
