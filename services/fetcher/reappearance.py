"""Mails under UIDs that are new to us although they had arrived before: renumbered, restored, moved back, or put there.

Most are in the ledger. Their headers, date and size tell that, without a download; of the rest, identity decides. When
very many are left that nothing is known of, taking them would open as many tickets: then they wait for a person.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import structlog

from services.fetcher import asking, decide
from services.fetcher.intake import Intake
from services.fetcher.place import Place
from services.fetcher.ports import ImapSession, Outline, Runtime
from services.fetcher.troubles import Troubles
from shared.domain.mailbox_runtime import Cursor
from shared.observability.crash_points import crash_point

log = structlog.get_logger(__name__)

HEADERS_AT_ONCE = 200
BY_HEADERS, BY_IDENTITY, UNKNOWN = "by_headers", "by_identity", "unknown"


class Listener(Protocol):
    """Told of what has come back."""

    def reappeared(self, how: str, mails: int) -> None:
        """So many were recognised in this way, or not at all and taken."""
        ...

    def held(self, mails: int) -> None:
        """So many wait for a person."""
        ...


@dataclass(slots=True)
class Reappearance:
    """The mails of one folder that have come back. `limit` is how many unknown ones are taken without being asked."""

    mailbox: str
    intake: Intake
    runtime: Runtime
    report: Listener
    limit: int
    held: frozenset[int] = frozenset()
    _counts: Counter[str] = field(default_factory=Counter[str])
    _accepted: bool = False

    async def still_held(self, unknown: Iterable[int]) -> frozenset[int]:
        """Those of these UIDs that wait for a person still."""
        waiting = self.held.intersection(unknown)
        if len(waiting) <= self.limit or await self._is_accepted():
            waiting = frozenset[int]()
        self._hold(waiting)
        return waiting

    async def recognise(
        self,
        session: ImapSession,
        place: Place,
        cursor: Cursor,
        outlines: Sequence[Outline],
        troubles: Troubles,
    ) -> frozenset[int]:
        """Sight those that the ledger knows already; returns their UIDs."""
        doubtful = decide.is_doubtful(cursor)
        asked = [one.uid for one in outlines if doubtful or decide.has_come_back(cursor, one.internal_date)]
        known: set[int] = set()
        for at in range(0, len(asked), HEADERS_AT_ONCE):
            previews = await asking.previews(session, asked[at : at + HEADERS_AT_ONCE], troubles)
            known |= await self.intake.recognise(session, place, previews)
        self.count(BY_HEADERS, len(known))
        return frozenset(known)

    async def may_take(self, aside: Sequence[Outline]) -> bool:
        """Whether these, of which nothing is known, may be taken; if not, they are held."""
        uids = self.held.union(one.uid for one in aside)
        if len(uids) <= self.limit or await self._is_accepted():
            return True
        if uids != self.held:
            log.error("mass_reappearance", mailbox=self.mailbox, unknown=len(uids), limit=self.limit)
        self._hold(uids)
        return False

    def release(self) -> None:
        """None waits any more: they are looked at anew."""
        self._hold(frozenset())

    def count(self, how: str, mails: int) -> None:
        """So many came back, and how that was found."""
        if mails:
            self._counts[how] += mails
            self.report.reappeared(how, mails)

    async def passed(self, listed: int, *, complete: bool) -> None:
        """A pass has ended: say what came back; a person's word is used up once everything was taken."""
        total = self._counts.total()
        if total:
            tell = log.warning if decide.is_mass(total, listed) else log.info
            tell("mailbox_reappeared", mailbox=self.mailbox, listed=listed, **self._counts)
        self._counts.clear()
        if complete and self._accepted:
            await self.runtime.settle_reappearance(self.mailbox)
            crash_point("fetcher.after_reappearance")
            self._accepted = False

    async def _is_accepted(self) -> bool:
        self._accepted = self._accepted or await self.runtime.reappearance_accepted(self.mailbox)
        return self._accepted

    def _hold(self, uids: frozenset[int]) -> None:
        if uids or self.held:
            self.report.held(len(uids))
        self.held = uids
