"""The numbers of the overview, counted beforehand by the bookkeeper or found by an index. Decides nothing."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from services.console import latest_events
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
    sign_ins_needed: tuple[str, ...]


async def read(store: Store, now: datetime, queues: Mapping[str, int] | None) -> Overview:
    """All of it."""
    hours = await store.statistics.hours(now - timedelta(days=14))
    days: dict[str, int] = {}
    for one in hours:
        day = one.start.date().isoformat()
        days[day] = days.get(day, 0) + sum(one.outcomes.values())
    sign_ins = await store.sign_ins.states(await store.mailboxes.known())
    return Overview(
        at=now,
        books=await store.statistics.books(),
        hours=tuple(one for one in hours if one.start > now - timedelta(hours=24)),
        days=days,
        queues=queues,
        oldest_in_flight=await store.ledger.oldest_in_flight(),
        events_owed=(await latest_events.owed(store, now)).events,
        sign_ins_needed=tuple(sorted(name for name, one in sign_ins.items() if one.needed)),
    )
