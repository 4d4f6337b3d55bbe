"""A store as the bookkeeper leaves it after two weeks: books that balance, and its hours counted."""

from datetime import datetime, timedelta

from shared.domain.mailbox_runtime import MailboxStatus, Phase
from shared.domain.statistics import Books, BooksRow, Hour
from shared.store.client import Store
from tests.support.builders import mailbox
from tests.support.embedded_store import FakeClock

TOTALS = {
    "support": {"ticket": 1204, "reply": 873, "duplicate": 58, "rejected": 311, "quarantined": 4, "in_flight": 3},
    "billing": {"ticket": 402, "reply": 255, "duplicate": 12, "rejected": 97},
    "facilities": {"ticket": 121, "reply": 40, "rejected": 6, "in_flight": 1},
}


async def write_days(store: Store, clock: FakeClock, **unaccounted: int) -> None:
    """Three mailboxes, of which one is well, one is refused and one was never read; their books, every hour of
    the last day, and one of each day before."""
    now = clock.now()
    for name in TOTALS:
        await store.mailboxes.put(mailbox(name), {}, create=True)
    await store.runtime.set_status("support", MailboxStatus(state=Phase.IDLE, since=now, last_success_at=now))
    refused = {"code": "authentication_rejected", "sentence": "The server refused the password."}
    await store.runtime.set_status("billing", MailboxStatus(state=Phase.NEEDS_ATTENTION, since=now, **refused))
    rows = [
        BooksRow(mailbox=name, total={**total, "unaccounted": unaccounted.get(name, 0)})
        for name, total in TOTALS.items()
    ]
    await store.statistics.save_books(Books(at=now, rows=tuple(rows)))
    start = now.replace(minute=0, second=0, microsecond=0)
    for back in (*range(24), *range(24, 14 * 24, 24)):
        await store.statistics.save_hour(hour(start - timedelta(hours=back)))


async def count(store: Store, at: datetime, name: str, total: dict[str, int]) -> None:
    """The books are counted again: they hold this mailbox alone."""
    await store.statistics.save_books(Books(at=at, rows=(BooksRow(mailbox=name, total=total),)))


def hour(start: datetime) -> Hour:
    """More mail by day than by night, less at weekends."""
    busy = max(0, 9 - abs(start.hour - 11)) * (1 if start.weekday() > 4 else 4)
    outcomes = {"ticket": busy, "reply": busy // 2, "rejected": busy // 4, "in_flight": int(busy > 30)}
    return Hour(start=start, outcomes=outcomes, median_seconds=2.5 + busy / 20, p95_seconds=6 + busy / 4)
