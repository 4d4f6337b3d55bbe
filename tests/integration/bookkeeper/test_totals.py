"""The totals of the books are what one count of the whole ledger gives, whatever the clock and old mail do."""

from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from services.bookkeeper.totals import SECONDS, Total, Totals
from shared.domain.decision import Kind, Reason
from shared.domain.ledger import Failure, LedgerEntry, State
from shared.store.client import Store
from shared.store.ledger_documents import IN_FLIGHT, QUARANTINED
from shared.store.seek import Span
from tests.support.builders import decision, entry
from tests.support.embedded_store import FakeClock

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
Rows = Mapping[str, Mapping[str, int]]


class WorkingClock(FakeClock):
    """On which each question takes a while, as in a large store; the time of day stands still."""

    worked = 0.0

    def monotonic(self) -> float:
        self.worked += SECONDS / 4
        return self.worked


def mail(number: int, at: datetime) -> LedgerEntry:
    """Every third is a ticket, the others are rejected."""
    opened = decision(kind=Kind.TICKET, reason=Reason.TICKET_CREATED, ticket_id=f"t{number}", number=f"T-{number}")
    return entry(
        f"m{number}",
        mailbox_name=f"box-{number % 2}",
        uid=number + 1,
        state=State.DONE,
        decision=decision() if number % 3 else opened,
        stored_at=at,
        progress_at=at,
    )


async def enter(store: Store, *days_ago: float) -> None:
    """One mail at each of these times before NOON."""
    await store.ledger.insert_many([mail(n, NOON - timedelta(days=days)) for n, days in enumerate(days_ago)])


async def whole(store: Store) -> Rows:
    """Counted from the mails themselves."""
    rows: dict[str, Counter[str]] = {}
    async for one in store.ledger.iter_all():
        told = one.state is State.DONE and one.kind
        outcome = told.value if told else QUARANTINED if one.state is State.QUARANTINED else IN_FLIGHT
        rows.setdefault(one.mailbox, Counter())[outcome] += 1
    return rows


async def quarantine(store: Store, clock: FakeClock, mail_id: str, days_ago: float) -> None:
    """An old mail that was in flight all the time goes into quarantine."""
    waiting = entry(mail_id, mailbox_name="box-9", uid=99, stored_at=NOON - timedelta(days=days_ago))
    await store.ledger.insert_many([waiting])
    await store.ledger.quarantine(mail_id, Failure(stage="filter", code="busy", what="it was", at=clock.now()))


def sums(total: Total) -> dict[str, int]:
    """By outcome."""
    outcomes = {outcome for row in total.ever.values() for outcome in row}
    return {one: sum(row.get(one, 0) for row in total.ever.values()) for one in outcomes}


async def test_an_empty_ledger_has_empty_books(store: Store) -> None:
    assert await Totals(store.ledger, FakeClock(NOON)).look() == ({}, {})


async def test_the_totals_are_those_of_the_whole_ledger(store: Store) -> None:
    """Mail of years, of yesterday's last and of today's first moment, and from the future: a clock was ahead."""
    await enter(store, 900, 400.3, 400.2, 33, 2, 0.5 + 1e-7, 0.5, 0.1, 0, -1, -40)
    total = await Totals(store.ledger, FakeClock(NOON)).look()
    assert total.ever == await whole(store)
    assert total.today == await store.ledger.count_by_outcome(Span(NOON - timedelta(hours=12)))
    assert sum(sums(total).values()) == 11


async def test_what_becomes_of_old_mail_shows_at_the_next_look_where_there_is_little(store: Store) -> None:
    clock = FakeClock(NOON)
    totals = Totals(store.ledger, clock)
    await enter(store, 50, 20, 1, 0)
    await totals.look()
    await quarantine(store, clock, "late", 30)
    await store.ledger.replay("late")
    assert (await totals.look()).ever == await whole(store)
    assert sums(await totals.look())["in_flight"] == 1


async def test_where_there_is_much_it_shows_after_some_looks_and_new_mail_at_once(store: Store) -> None:
    """A look goes no further than its time allows, once the first round is through."""
    clock = WorkingClock(NOON)
    totals = Totals(store.ledger, clock, at_once=3)
    await enter(store, *range(80))
    assert (await totals.look()).ever == await whole(store)
    await quarantine(store, clock, "late", 40)
    looks = 0
    while sums(await totals.look()).get("quarantined", 0) == 0:
        looks += 1
        await store.ledger.insert_many([entry(f"new-{looks}", mailbox_name="box-0", uid=1000 + looks, stored_at=NOON)])
        assert (await totals.look()).today["box-0"]["in_flight"] == looks
        assert looks < 80
    assert looks > 2
    assert (await totals.look()).ever == await whole(store)


async def test_no_mail_is_counted_twice_or_forgotten_when_a_day_ends_or_the_clock_is_set_back(store: Store) -> None:
    clock = FakeClock(NOON)
    totals = Totals(store.ledger, clock)
    await enter(store, 3, 1, 0.2, 0)
    for hours in (0, 13, 5, 24 * 40, -24 * 40, -24 * 3, 0):
        clock.advance(hours=hours)
        assert (await totals.look()).ever == await whole(store)


async def test_mails_of_one_moment_are_counted_once_however_few_fit_in_a_question(store: Store) -> None:
    """More of the same millisecond than one question is for, before and after others."""
    await enter(store, 3, *([2] * 7), 1 + 1e-7, *([1] * 5), 0.6)
    for at_once in range(1, 16):
        total = await Totals(store.ledger, FakeClock(NOON), at_once).look()
        assert total.ever == await whole(store)
