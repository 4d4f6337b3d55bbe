"""What has been kept for its time goes, on a real store; the books and the identity of mails stay."""

from datetime import timedelta

import pytest

from services.bookkeeper.retention import Periods, Retention
from services.console import replays
from services.console.books import balance
from services.console.facts import read_facts
from services.console.replays import NotReplayable, Order
from services.console.timeline import summary, timeline
from shared.domain.decision import Kind
from shared.domain.errors import Permanent
from shared.domain.ledger import DecisionWrite, LedgerEntry, Replay, State
from shared.observability.metrics import BOOKKEEPER, Metrics
from shared.store.client import Store
from shared.store.fading import Part
from shared.store.mail_search import Wanted
from shared.store.settings import StoreSettings
from tests.support.books import BLOCKED, OPENED, REPEAT, SENDER, STUCK, SUBJECTS, write_books
from tests.support.builders import decision, entry
from tests.support.dying import dies
from tests.support.embedded_store import FakeClock

DAYS = {Part.RAW: timedelta(days=30), Part.TRACE: timedelta(days=60), Part.ROW: timedelta(days=90)}
PERIODS = Periods(DAYS, timedelta(days=120))
LARGE = b"Subject: large\r\n\r\n" + b"x" * 1_300_000
ORDER = Replay(who="cli ada", why="A customer.", at=decision().decided_at)


def retention(store: Store, clock: FakeClock, periods: Periods = PERIODS, batch: int = 2) -> Retention:
    return Retention(store.fading, store.audit, clock, Metrics(BOOKKEEPER, "test"), periods, batch)


async def found(store: Store, mail_id: str) -> LedgerEntry:
    one = await store.ledger.get(mail_id)
    assert one is not None
    return one


def expired(work: Retention, part: str) -> float:
    return work.metrics.expired.labels(part)._value.get()


async def test_only_the_raw_of_what_was_rejected_goes_and_its_page_says_since_when(
    store: Store, clock: FakeClock
) -> None:
    await write_books(store)
    work = retention(store, clock)
    clock.advance(days=29)
    await work.expire()
    assert BLOCKED in await store.raw.has(list(SUBJECTS))
    clock.advance(days=2)
    await work.expire()
    assert await store.raw.has(list(SUBJECTS)) == set(SUBJECTS) - {BLOCKED}
    gone = await found(store, BLOCKED)
    sentence = "The raw mail is gone since 2026-04-01, at the end of its retention."
    assert timeline(gone, None)[-1].sentence == sentence
    assert (gone.headline.sender, bool(gone.trace), expired(work, "raw")) == (SENDER, True, 1)
    with pytest.raises(Permanent) as refused:
        await store.raw.get(BLOCKED)
    assert refused.value.code == "raw_missing"


async def test_traces_go_and_then_what_rows_tell_while_tickets_are_found_as_before(
    store: Store, clock: FakeClock
) -> None:
    await write_books(store)
    books, facts = await store.ledger.count_by_outcome(), balance(await read_facts(store)).total
    work = retention(store, clock)
    clock.advance(days=61)
    await work.expire()
    assert [(await found(store, one)).trace for one in (BLOCKED, OPENED, REPEAT)] == [(), (), ()]
    assert (await found(store, BLOCKED)).headline.sender == SENDER
    clock.advance(days=30)
    await work.expire()
    rows = {one: (await found(store, one)).headline for one in SUBJECTS}
    assert {one for one, row in rows.items() if row.sender is None and not row.subject} == {BLOCKED, REPEAT}
    assert rows[REPEAT].message_id, "answers to it belong to its ticket"
    assert rows[BLOCKED].message_id is None
    assert REPEAT not in await store.raw.has([REPEAT])
    assert (await found(store, STUCK)).state is State.QUARANTINED
    assert await store.ledger.count_by_outcome() == books
    assert balance(await read_facts(store)).total == facts
    by_words = await store.mail_search.find(Wanted(subject="printer fire"))
    by_sender = await store.mail_search.find(Wanted(sender=SENDER))
    assert {one.mail_id for one in by_words.entries} == {OPENED}
    assert BLOCKED not in {one.mail_id for one in by_sender.entries}
    assert summary(await found(store, BLOCKED)).startswith("It was rejected. Who sent it, and what it was about, is")
    assert expired(work, "row") == 2


async def test_what_is_in_flight_or_in_quarantine_keeps_everything_for_ever(store: Store, clock: FakeClock) -> None:
    await write_books(store)
    await store.ledger.insert_many([entry("flying", state=State.STORED)])
    await store.raw.put_many({"flying": b"raw"})
    clock.advance(days=5000)
    before = {one: await found(store, one) for one in (STUCK, "flying")}
    await retention(store, clock).expire()
    assert {one: await found(store, one) for one in before} == before
    assert await store.raw.has(list(before)) == set(before)


async def test_zero_days_keeps_it(store: Store, clock: FakeClock) -> None:
    await write_books(store)
    await store.audit.append("cli ada", "pause", "Mailbox", "support")
    clock.advance(days=5000)
    before = {one: await found(store, one) for one in SUBJECTS}
    await retention(store, clock, Periods({})).expire()
    assert {one: await found(store, one) for one in SUBJECTS} == before
    assert len(await store.audit.page()) == 1


async def test_a_mail_whose_raw_is_gone_cannot_be_sent_again(store: Store, clock: FakeClock) -> None:
    """Neither by who looks first, nor by who looked before it went."""
    await write_books(store)
    looked = await found(store, BLOCKED)
    clock.advance(days=31)
    await retention(store, clock).expire()
    assert not await store.ledger.reopen(looked, ORDER)
    with pytest.raises(NotReplayable, match="gone since 2026-04-01"):
        await replays.named(store, [BLOCKED])
    (told,) = await replays.forecast(store, [await found(store, BLOCKED)], Order("cli ada", "A customer."))
    assert (told.kind, "end of its retention" in told.sentence) == (replays.IMPOSSIBLE, True)


async def test_a_mail_that_is_sent_again_meanwhile_keeps_its_raw(store: Store, clock: FakeClock) -> None:
    await write_books(store)
    clock.advance(days=31)
    mails = await store.fading.ended(Kind.REJECTED, "", clock.now(), 10)
    assert await store.ledger.reopen(await found(store, BLOCKED), ORDER)
    assert await store.fading.drop(Part.RAW, mails, clock.now()) == 0
    assert BLOCKED in await store.raw.has([BLOCKED])
    assert (await found(store, BLOCKED)).gone.raw is None


async def test_a_mail_that_is_not_final_when_the_walk_comes_by_goes_later(store: Store, clock: FakeClock) -> None:
    """Its event was owed for longer than it is kept; the walk must not have passed it for ever."""
    ids = [f"m{number}" for number in range(7)]
    await store.ledger.insert_many([entry(one, uid=uid) for uid, one in enumerate(ids)])
    await store.raw.put_many(dict.fromkeys(ids, b"raw"))
    for one in ids:
        await store.ledger.decide_many([DecisionWrite(mail_id=one, decision=decision(), trace=())])
        clock.advance(seconds=1)
    await store.ledger.mark_done([one for one in ids if one != "m1"])
    work = retention(store, clock)
    clock.advance(days=31)
    await work.expire()
    assert await store.raw.has(ids) == {"m1"}
    await store.ledger.mark_done(["m1"])
    for _ in range(2):
        await work.expire()
    assert await store.raw.has(ids) == set()


POINTS = (
    "store.after_fading",
    "store.after_faded_words",
    "store.after_small_raws_deleted",
    "store.after_chunks_deleted",
    "bookkeeper.after_expired",
    "bookkeeper.after_fading_place",
    "bookkeeper.after_expired_audit",
)


@pytest.mark.parametrize("point", POINTS)
async def test_killed_anywhere_it_goes_on_where_it_was(
    store: Store, store_settings: StoreSettings, clock: FakeClock, point: str
) -> None:
    """The row says that the raw is gone, and the raw is still there: nobody may forget it."""
    await write_books(store)
    await store.raw.put_many({BLOCKED: LARGE})
    await store.audit.append("cli ada", "pause", "Mailbox", "support")
    clock.advance(days=200)
    await dies(store_settings, point, "expires")
    await retention(store, clock).expire()
    assert BLOCKED not in await store.raw.has([BLOCKED])
    assert not await store.collection("raw_large.chunks").find({"files_id": BLOCKED})
    assert not [one for one in await store.collection("mail_words").find({}) if one["_id"].startswith(BLOCKED)]
    assert (await found(store, BLOCKED)).headline.sender is None
    assert await store.audit.page() == ()


async def test_old_audit_records_go_in_batches(store: Store, clock: FakeClock) -> None:
    for number in range(5):
        await store.audit.append("cli ada", "pause", "Mailbox", f"box-{number}")
    clock.advance(days=121)
    await store.audit.append("cli ada", "pause", "Mailbox", "young")
    work = retention(store, clock)
    await work.expire()
    assert [one.name for one in await store.audit.page()] == ["young"]
    assert expired(work, "audit") == 5
