"""The books of all mails ever, without reading all of them at each look.

What arrived since a midnight is counted at each look. Everything before it is counted by a round that goes through the
ledger, a thousand mails at a time, and begins anew once it has come through: so also what became of old mail since
(a replay, an erasure) shows, at once where there are few mails, within minutes where there are millions. Only the first
round is counted in one go. Memory: one row per mailbox.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, NamedTuple

from services.bookkeeper.ports import Clock, Ledger
from shared.store.ledger_queries import COUNTED_AT_ONCE, Counts, add
from shared.store.seek import Span

SECONDS: Final = 0.25
"""Of a look, for the round."""


class Total(NamedTuple):
    """The mails of each mailbox by outcome: all of them, and those that arrived today (UTC)."""

    ever: Mapping[str, Mapping[str, int]]
    today: Mapping[str, dict[str, int]]


@dataclass(slots=True)
class _Round:
    """What has been counted of the mails that arrived before `until`: those before `reached`."""

    until: datetime
    reached: datetime | None = None
    rows: Counts = field(default_factory=Counts)


@dataclass(slots=True)
class Totals:
    """Counts, for one process, `at_once` mails of the ledger in one question. Call `look` on a schedule."""

    ledger: Ledger
    clock: Clock
    at_once: int = COUNTED_AT_ONCE
    _before: _Round | None = None
    _round: _Round | None = None

    async def look(self) -> Total:
        """The books as they stand. Raises StoreUnavailable."""
        midnight = self.clock.now().replace(hour=0, minute=0, second=0, microsecond=0)
        if self._before is not None and self._before.until > midnight:
            self._before = self._round = None  # this clock was ahead
        before = await self._go_on(midnight)
        today = await self.ledger.count_by_outcome(Span(midnight))
        rows = {mailbox: Counter(counts) for mailbox, counts in before.rows.items()}
        add(rows, today)
        if before.until < midnight:
            add(rows, await self.ledger.count_by_outcome(Span(before.until, midnight)))
        return Total(rows, today)

    async def _go_on(self, midnight: datetime) -> _Round:
        """Count on from where the round stands; returns the last one that has come through."""
        ends_at = self.clock.monotonic() + SECONDS
        while True:
            if self._round is None:
                self._round = _Round(midnight)
            await self._count_next(self._round)
            if self._round.reached == self._round.until:
                self._before, self._round = self._round, None
                return self._before
            if self._before is not None and self.clock.monotonic() >= ends_at:
                return self._before

    async def _count_next(self, going: _Round) -> None:
        going.reached, counted = await self.ledger.count_next(Span(going.reached, going.until), self.at_once)
        add(going.rows, counted)
