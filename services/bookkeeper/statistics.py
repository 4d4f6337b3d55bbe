"""Counts beforehand what the console's overview shows: the books, and the mails of each hour of two weeks.

An hour is counted whole, from the ledger, and replaces what was counted before: replicas and repetitions change
nothing. The last two hours are counted at each look, and one earlier one, since a replay changes what became of old
mail; those that were never counted come first.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from services.bookkeeper.ports import Clock, Ledger, Statistics
from services.bookkeeper.totals import Total
from shared.domain.statistics import Books, BooksRow, Hour, quantile
from shared.observability.crash_points import crash_point
from shared.store.seek import Span

HOUR = timedelta(hours=1)
HOURS = 14 * 24
_AT_ONCE = 24
_SAMPLE = 500
"""Tickets of an hour whose latency is looked at, the newest: so counting costs no more where there are many."""


@dataclass(slots=True)
class Counts:
    """What counts; `app` calls `hours` on its schedule, `handler` gives the books that it shows as metrics."""

    ledger: Ledger
    statistics: Statistics
    clock: Clock
    _round: list[datetime] = field(default_factory=list[datetime])

    async def books(self, total: Total, unaccounted: Mapping[str, int]) -> None:
        """Keep the books as they were just counted."""
        rows = [
            BooksRow(
                mailbox=name,
                total={**total.ever.get(name, {}), "unaccounted": unaccounted.get(name, 0)},
                today=total.today.get(name, {}),
            )
            for name in sorted({*total.ever, *unaccounted})
        ]
        await self.statistics.save_books(Books(at=self.clock.now(), rows=tuple(rows)))
        crash_point("bookkeeper.after_books")

    async def hours(self) -> None:
        """Count the last two hours, those never counted (a day's worth at once), and one earlier one."""
        last = self.clock.now().replace(minute=0, second=0, microsecond=0)
        wanted = [last - HOUR * back for back in range(HOURS)]
        counted = {one.start for one in await self.statistics.hours(wanted[-1])}
        missing = [one for one in wanted if one not in counted]
        if not self._round:
            self._round = wanted[2:]
        for start in dict.fromkeys((*wanted[:2], *missing[:_AT_ONCE], self._round.pop())):
            await self.statistics.save_hour(await self._hour(start))
            crash_point("bookkeeper.after_hour")

    async def _hour(self, start: datetime) -> Hour:
        span = Span(start, start + HOUR)
        outcomes: Counter[str] = Counter()
        for counts in (await self.ledger.count_by_outcome(span)).values():
            outcomes.update(counts)
        seconds = await self.ledger.latencies(span, _SAMPLE)
        return Hour(
            start=start,
            outcomes=dict(outcomes),
            median_seconds=quantile(seconds, 0.5),
            p95_seconds=quantile(seconds, 0.95),
        )
