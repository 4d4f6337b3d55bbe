"""The numbers of the overview, counted beforehand by the bookkeeper or found by an index. Decides nothing."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from services.console import latest_events, mailbox_health
from services.console.expiring import Ending, endings
from services.console.mailbox_health import Health
from shared.domain.ledger import LedgerEntry
from shared.domain.statistics import Books, Hour
from shared.store.client import Store


@dataclass(frozen=True, slots=True)
class Overview:
    """`books` is None before the bookkeeper has counted them; `queues` is None while the broker is away."""

    at: datetime
    books: Books | None
    hours: tuple[Hour, ...]
    days: Mapping[str, int]
    queues: Mapping[str, int] | None
    oldest_in_flight: LedgerEntry | None
    events_owed: int
    boxes: tuple[Health, ...]

    @property
    def sign_ins_needed(self) -> tuple[str, ...]:
        """Mailboxes that somebody must sign in for, by name."""
        return tuple(one.mailbox.name for one in self.boxes if one.sign_in is not None and one.sign_in.needed)

    @property
    def endings(self) -> tuple[Ending, ...]:
        """What of the mailboxes ends soon or has ended."""
        return endings(self.boxes, self.at)


async def read(store: Store, now: datetime, queues: Mapping[str, int] | None) -> Overview:
    """All of it."""
    hours = await store.statistics.hours(now - timedelta(days=14))
    days: dict[str, int] = {}
    for one in hours:
        day = one.start.date().isoformat()
        days[day] = days.get(day, 0) + sum(one.outcomes.values())
    books = await store.statistics.books()
    return Overview(
        at=now,
        books=books,
        hours=tuple(one for one in hours if one.start > now - timedelta(hours=24)),
        days=days,
        queues=queues,
        oldest_in_flight=await store.ledger.oldest_in_flight(),
        events_owed=(await latest_events.owed(store, now)).events,
        boxes=await mailbox_health.read_beside(store, books, now),
    )
