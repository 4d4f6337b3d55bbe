"""The bookkeeper on a real store and broker: what fell off the belt goes back, what is owed is sent."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta

import pytest

from services.bookkeeper.handler import Bookkeeper
from services.ticket_writer import decide
from shared.broker import topology
from shared.broker.client import Broker
from shared.contracts.codec import Envelope, decode, encode
from shared.contracts.events import (
    MAIL_REJECTED,
    TICKET_CREATED,
    TICKET_DUPLICATE_COUNTED,
    TICKET_REPLIED,
    mail_rejected,
    ticket_duplicate_counted,
)
from shared.contracts.messages import EmailFetched
from shared.domain.decision import Overruling
from shared.domain.errors import BrokerUnavailable
from shared.domain.ledger import DecisionWrite, Failure, Replay, State
from shared.domain.sighting import Sighting
from shared.observability.metrics import Metrics
from shared.runtime.consume.failures import MAX_ATTEMPTS
from shared.store.client import Store
from shared.store.settings import StoreSettings
from tests.support import builders
from tests.support.bookkeeping import accounts, bookkeeper
from tests.support.broker import arrived, before_now, emptied
from tests.support.embedded_store import FakeClock


@pytest.fixture
def books(store: Store, broker: Broker, clock: FakeClock, metrics: Metrics) -> Bookkeeper:
    return bookkeeper(store, broker, clock, metrics)


async def enter(store: Store, clock: FakeClock, *mail_ids: str) -> None:
    now = clock.now()
    await store.ledger.insert_many([builders.entry(one, stored_at=now, progress_at=now) for one in mail_ids])


def sighting(mail_id: str, uid: int, clock: FakeClock) -> Sighting:
    return Sighting(mailbox="support", folder="INBOX", uid_validity=1, uid=uid, mail_id=mail_id, seen_at=clock.now())


async def on_the_belt(broker: Broker) -> set[str]:
    """The mail_ids that lie at the start of the belt, taken from it."""
    messages = [decode(one) for one in await emptied(broker, topology.FILTER)]
    assert all(isinstance(one, EmailFetched) and one.raw is None for one in messages), "always from the raw store"
    return {one.mail_id for one in messages}


async def test_a_mail_without_progress_goes_back_to_the_start_once(
    books: Bookkeeper, store: Store, broker: Broker, clock: FakeClock
) -> None:
    """And a mail that is on its way is left alone."""
    await enter(store, clock, "stuck")
    clock.advance(seconds=61)
    await enter(store, clock, "moving")
    await books.republish()
    assert await on_the_belt(broker) == {"stuck"}
    await books.republish()
    assert await on_the_belt(broker) == set()


async def test_while_the_belt_carries_mail_only_the_long_lost_go_back(
    books: Bookkeeper, store: Store, broker: Broker, clock: FakeClock
) -> None:
    """A mail that just waits in a long queue must not be doubled on it."""
    await enter(store, clock, "waiting")
    await broker.publish(topology.MAIL, "email.accepted", [encode(builders.accepted("other"))])
    async with asyncio.timeout(10):
        while await broker.depth(topology.CLASSIFIER.name) == 0:
            await asyncio.sleep(0.05)
    clock.advance(seconds=120)
    await books.republish()
    assert await on_the_belt(broker) == set()
    clock.advance(seconds=30 * 60)
    await books.republish()
    assert await on_the_belt(broker) == {"waiting"}


async def test_a_deferred_mail_comes_back_when_it_is_due_and_not_before(
    books: Bookkeeper, store: Store, broker: Broker, clock: FakeClock
) -> None:
    """Ledger-driven retry."""
    await enter(store, clock, "m1")
    failure = Failure(stage="filter", code="busy", what="busy", at=clock.now())
    await store.ledger.defer("m1", failure, clock.now() + timedelta(seconds=100))
    clock.advance(seconds=99)
    await books.republish()
    assert await on_the_belt(broker) == set()
    clock.advance(seconds=2)
    await books.republish()
    assert await on_the_belt(broker) == {"m1"}


async def test_two_bookkeepers_put_a_mail_back_once(
    books: Bookkeeper, store: Store, broker: Broker, clock: FakeClock, metrics: Metrics
) -> None:
    """Claimed by compare-and-set."""
    twin = bookkeeper(store, broker, clock, metrics)
    await enter(store, clock, *(f"m{count}" for count in range(20)))
    clock.advance(seconds=61)
    await asyncio.gather(books.republish(), twin.republish())
    assert await broker.depth(topology.FILTER.name) <= 20
    assert await on_the_belt(broker) == {f"m{count}" for count in range(20)}


async def test_events_that_were_never_published_are_relayed_and_then_owed_no_more(
    books: Bookkeeper, store: Store, broker: Broker, clock: FakeClock
) -> None:
    """Of tickets, of what was appended to them and counted on them, and of rejected mails."""
    await enter(store, clock, "m1", "m2", "m3", "m4")
    mail = builders.classified("m1")
    ticket = decide.ticket(mail, decide.opens(mail, "INC-000001", clock.now()), "/test")
    await store.tickets.insert_many([ticket])
    reply = builders.classified("m3")
    appended = decide.appended(reply, decide.appends(reply, ticket, note=False, now=clock.now()), ticket, "/test")
    await store.articles.insert_many([appended])
    repeat = decide.repeats(builders.classified("m4"), ticket, clock.now())
    counted = ticket_duplicate_counted(ticket, "m4", builders.AT, clock.now())
    await store.ledger.decide_many([DecisionWrite(mail_id="m4", decision=repeat, trace=(), outbox=(counted,))])
    verdict = builders.decision(decided_at=clock.now())
    event = mail_rejected("m2", "support", None, builders.AT, verdict)
    await store.ledger.decide_many([DecisionWrite(mail_id="m2", decision=verdict, trace=(), outbox=(event,))])
    subscription = await broker.listen(topology.TICKETS)
    clock.advance(seconds=16)
    await books.relay()
    types = sorted([one.envelope.type for one in await arrived(subscription, 4)])
    assert types == sorted([TICKET_CREATED, TICKET_REPLIED, TICKET_DUPLICATE_COUNTED, MAIL_REJECTED])
    states = {key: entry.state for key, entry in (await store.ledger.get_many(["m2", "m4"])).items()}
    assert states == {"m2": State.DONE, "m4": State.DECIDED}, "a duplicate is done once it is counted"
    await books.relay()
    assert await before_now(broker, subscription, topology.TICKETS, "last") == []


async def test_a_replayed_mail_goes_back_to_the_start_with_its_version_and_its_order(
    books: Bookkeeper, store: Store, broker: Broker, clock: FakeClock
) -> None:
    """Who overruled the filter, and why, travels with it."""
    await enter(store, clock, "m1")
    await store.ledger.decide_many([DecisionWrite(mail_id="m1", decision=builders.decision(), trace=())])
    await store.ledger.mark_done(["m1"])
    entry = await store.ledger.get("m1")
    assert entry is not None
    assert await store.ledger.reopen(entry, Replay(who="Zoë", why="Größer als 5 €", at=clock.now(), as_ticket=True))
    await books.republish()
    (envelope,) = await emptied(broker, topology.FILTER)
    message = decode(envelope)
    assert isinstance(message, EmailFetched)
    assert (message.decision_version, message.overruling) == (2, Overruling(who="Zoë", why="Größer als 5 €"))


async def test_an_imported_mail_that_goes_back_to_the_start_says_so(
    books: Bookkeeper, store: Store, broker: Broker, clock: FakeClock
) -> None:
    """Else it would be acknowledged."""
    made = builders.entry("old", stored_at=clock.now(), progress_at=clock.now())
    origin = made.origin.model_copy(update={"imported": True})
    await store.ledger.insert_many([made.model_copy(update={"origin": origin})])
    clock.advance(seconds=61)
    await books.republish()
    (envelope,) = await emptied(broker, topology.FILTER)
    assert decode(envelope).imported


def letter(mail_id: str) -> Envelope:
    return encode(builders.accepted(mail_id))


async def test_a_dead_letter_is_tried_again_later_and_quarantined_in_the_end(
    books: Bookkeeper, store: Store, clock: FakeClock
) -> None:
    """Attempts are bounded, and counted in the ledger."""
    await enter(store, clock, "m1")
    for _ in range(MAX_ATTEMPTS - 1):
        await books.bury(letter("m1"))
    waiting = await store.ledger.get("m1")
    assert waiting is not None and waiting.state is State.STORED
    assert waiting.next_attempt_at is not None and waiting.next_attempt_at > clock.now()
    await books.bury(letter("m1"))
    ended = await store.ledger.get("m1")
    assert ended is not None and ended.failure is not None
    assert (ended.state, ended.failure.code) == (State.QUARANTINED, "dead_lettered")


@pytest.mark.row(84)
async def test_a_dead_letter_without_a_mail_is_kept_on_record(books: Bookkeeper, store: Store) -> None:
    """It is not of ours, but somebody should see it."""
    await books.bury(Envelope(b"{}", "application/json", "email.accepted.v99", "x", {}))
    await books.bury(letter("unheard-of"))
    assert await store.dead_messages.count() == 2


async def test_what_nobody_can_account_for_is_a_metric_that_goes_back_to_0_when_it_is_mended(
    books: Bookkeeper, store: Store, clock: FakeClock, metrics: Metrics
) -> None:
    """A sighting without a ledger entry, and a mail that is done without its ticket, on pages of a round that goes on
    between two counts."""

    async def unaccounted() -> float | None:
        await books.measure()
        await books.check()
        await books.check()
        await books.measure()
        labels = {"mailbox": "support", "outcome": "unaccounted"}
        return metrics.registry.get_sample_value("mail_automator_books_mails", labels)

    names = [f"m{count}" for count in range(7)]
    await enter(store, clock, *names)
    seen = [sighting(name, uid, clock) for uid, name in enumerate((*names, "never-booked"), start=1)]
    await store.sightings.insert_many(seen[:-1])
    assert await unaccounted() == 0
    await store.sightings.insert_many(seen[-1:])
    mail = builders.classified("m3")
    opened = decide.opens(mail, "INC-000001", clock.now())
    await store.ledger.decide_many([DecisionWrite(mail_id="m3", decision=opened, trace=())])
    await store.ledger.mark_done(["m3"])
    assert await unaccounted() == 2
    await store.tickets.insert_many([decide.ticket(mail, opened, "/test")])
    assert await unaccounted() == 1
    await enter(store, clock, "never-booked")
    assert await unaccounted() == 0


async def test_a_round_through_the_accounts_ends_and_the_next_count_begins_a_new_one(
    store_settings: StoreSettings, clock: FakeClock
) -> None:
    """So that a store with little in it is left in peace."""
    metrics = Metrics("bookkeeper", "0")
    store = await Store.open(store_settings, clock=clock, metrics=metrics)
    names = [f"m{count}" for count in range(7)]
    await enter(store, clock, *names)
    await store.sightings.insert_many([sighting(name, uid, clock) for uid, name in enumerate(names, start=1)])
    counted = accounts(store)

    def commands() -> float:
        return sum(sample.value for family in metrics.store_commands.collect() for sample in family.samples)

    async def questions(work: Callable[[], Awaitable[object]]) -> float:
        before = commands()
        await work()
        return commands() - before

    assert await questions(counted.go_on) == 0
    a_page_of_both = 3
    for _ in range(2):
        assert await questions(counted.look) == a_page_of_both
        assert [await questions(counted.go_on) for _ in range(4)] == [a_page_of_both, a_page_of_both, 0, 0]
    await store.close()


async def test_how_full_the_queues_are_is_shown_and_nothing_where_the_broker_does_not_say(
    books: Bookkeeper, broker: Broker, metrics: Metrics
) -> None:
    """An old number would be a lie."""

    def shown(name: str, queue: str) -> float | None:
        return metrics.registry.get_sample_value(f"mail_automator_queue_{name}", {"queue": queue})

    await broker.publish(topology.MAIL, "email.accepted", [encode(builders.accepted("m1"))])
    subscription = await broker.subscribe(topology.FILTER.name, window=5)
    await books.queues()
    assert (shown("messages", "mail.classifier"), shown("consumers", "mail.classifier")) == (1, 0)
    assert (shown("messages", "mail.filter"), shown("consumers", "mail.filter")) == (0, 1)
    await subscription.stop()
    await broker.close()
    with pytest.raises(BrokerUnavailable):
        await books.queues()
    assert shown("messages", "mail.classifier") is None


async def test_which_mailboxes_are_to_be_read_and_how_old_the_oldest_unfinished_mail_is(
    books: Bookkeeper, store: Store, clock: FakeClock, metrics: Metrics
) -> None:
    """A deleted mailbox is shown no more."""

    def active(name: str) -> float | None:
        return metrics.registry.get_sample_value("mail_automator_mailbox_active", {"mailbox": name})

    books.mailboxes([builders.mailbox("a"), builders.mailbox("b", enabled=False), builders.mailbox("c")])
    books.mailboxes([builders.mailbox("a"), builders.mailbox("b", enabled=False)])
    assert (active("a"), active("b"), active("c")) == (1, 0, None)
    await enter(store, clock, "old")
    clock.advance(seconds=90)
    await enter(store, clock, "new")
    await books.measure()
    assert metrics.registry.get_sample_value("mail_automator_unfinished_oldest_seconds") == 90
