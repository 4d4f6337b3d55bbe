"""The books of all mails ever, without reading all of them at each look.

What arrived since a midnight is counted at each look. Everything before it is counted by a round that goes through the
ledger span by span, of a length that the store answers for quickly, and begins anew once it has come through: so also
what became of old mail since (a replay, an erasure) shows, at once where there are few mails, within minutes where
there are millions. Only the first round is counted in one go. Memory: one row per mailbox.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from services.bookkeeper.ports import Clock, Ledger
from shared.store.seek import Span

SECONDS: Final = 0.25
"""Of a look, for the round."""
QUICK, SLOW = 0.02, 0.1
"""Seconds that one answer may take: below, the next span is twice as long, above half."""
SHORTEST, LONGEST = timedelta(minutes=10), timedelta(days=64)

Rows = dict[str, Counter[str]]


class Total(NamedTuple):
    """The mails of each mailbox by outcome: all of them, and those that arrived today (UTC)."""

    ever: Mapping[str, Mapping[str, int]]
    today: Mapping[str, dict[str, int]]


@dataclass(slots=True)
class _Round:
    """What has been counted of the mails that arrived before `until`, as far as `reached`."""

    until: datetime
    reached: datetime
    rows: Rows = field(default_factory=Rows)


@dataclass(slots=True)
class Totals:
    """Counts, for one process. Call `look` on a schedule."""

    ledger: Ledger
    clock: Clock
    _before: _Round | None = None
    _round: _Round | None = None
    _length: timedelta = timedelta(days=1)

    async def look(self) -> Total:
        """The books as they stand. Raises StoreUnavailable."""
        midnight = self.clock.now().replace(hour=0, minute=0, second=0, microsecond=0)
        if self._before is not None and self._before.until > midnight:
            self._before = self._round = None  # this clock was ahead
        before = await self._go_on(midnight)
        today = await self.ledger.count_by_outcome(Span(midnight))
        rows = {mailbox: Counter(counts) for mailbox, counts in before.rows.items()}
        _add(rows, today)
        if before.until < midnight:
            _add(rows, await self.ledger.count_by_outcome(Span(before.until, midnight)))
        return Total(rows, today)

    async def _go_on(self, midnight: datetime) -> _Round:
        """Count on from where the round stands; returns the last one that has come through."""
        ends_at = self.clock.monotonic() + SECONDS
        while True:
            if self._round is None:
                oldest = await self.ledger.oldest_at()
                self._round = _Round(midnight, min(oldest or midnight, midnight))
            if self._round.reached < self._round.until:
                await self._count_next(self._round)
            if self._round.reached >= self._round.until:
                self._before, self._round = self._round, None
                return self._before
            if self._before is not None and self.clock.monotonic() >= ends_at:
                return self._before

    async def _count_next(self, going: _Round) -> None:
        end, began = min(going.reached + self._length, going.until), self.clock.monotonic()
        _add(going.rows, await self.ledger.count_by_outcome(Span(going.reached, end)))
        going.reached, took = end, self.clock.monotonic() - began
        if took > SLOW:
            self._length = max(self._length / 2, SHORTEST)
        elif took < QUICK:
            self._length = min(self._length * 2, LONGEST)


def _add(rows: Rows, more: Mapping[str, Mapping[str, int]]) -> None:
    for mailbox, counts in more.items():
        rows[mailbox] = rows.get(mailbox, Counter()) + Counter(counts)
