"""A mail that goes into quarantine says so to the world: on a real store and a real broker."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import asynccontextmanager, suppress

import orjson

from shared.broker import topology
from shared.broker.client import Broker, Subscription
from shared.contracts.codec import Envelope, encode
from shared.contracts.events import MAIL_QUARANTINED, MAIL_REJECTED, mail_quarantined, mail_rejected
from shared.contracts.messages import EmailAccepted
from shared.domain.errors import BrokerUnavailable, Permanent
from shared.domain.ledger import DecisionWrite, Failure, State
from shared.observability.metrics import Metrics
from shared.runtime.consume.failures import MAX_ATTEMPTS
from shared.runtime.consume.loop import Consumer, Lane
from shared.runtime.consume.outcome import Result
from shared.runtime.process import Process
from shared.store.client import Store
from tests.support import builders
from tests.support.bookkeeping import SOURCE, bookkeeper
from tests.support.broker import arrived
from tests.support.embedded_store import FakeClock


class Hopeless:
    """A stage that no mail passes."""

    async def handle(self, messages: Sequence[EmailAccepted]) -> Sequence[Result]:
        return [Permanent("no", code="hopeless") for _ in messages]

    async def settle(self, messages: Sequence[EmailAccepted], outcomes: Sequence[Result]) -> None:
        return None


class Deaf(Broker):
    """A broker that confirms nothing."""

    async def publish_all(self, burst: Sequence[object]) -> None:
        if burst:
            raise BrokerUnavailable("was not confirmed")


@asynccontextmanager
async def consuming(broker: Broker, store: Store):  # type: ignore[no-untyped-def]  # a test's own helper
    process = Process("test", {})
    lane = Lane("classifier", topology.CLASSIFIER, window=20, batch=10, workers=1)
    consumer = Consumer(process, broker, lane, EmailAccepted, Hopeless(), store.ledger, SOURCE)
    task = asyncio.create_task(consumer.run())
    try:
        yield
    finally:
        process.draining.set()
        await asyncio.wait_for(task, 20)


async def heard(subscription: Subscription, count: int) -> list[Envelope]:
    """That many events, and no more."""
    found: list[Envelope] = []
    for delivery in await arrived(subscription, count):
        found.append(delivery.envelope)
        await delivery.ack()
    assert await subscription.batch(1, wait_seconds=0.3) == []
    return found


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(20):
        while not await condition():  # type: ignore[misc]
            await asyncio.sleep(0.05)


async def quarantined(store: Store, mail_id: str) -> bool:
    entry = await store.ledger.get(mail_id)
    return entry is not None and entry.state is State.QUARANTINED


async def test_a_mail_in_quarantine_is_told_of_at_once_and_then_owed_no_more(broker: Broker, store: Store) -> None:
    """By the stage itself: the event of the books, on the key of its reason and mailbox."""
    subscription = await broker.listen(topology.TICKETS, "mail.quarantined.hopeless.support")
    await store.ledger.insert_many([builders.entry("m1")])
    async with consuming(broker, store):
        await broker.publish(topology.MAIL, "email.accepted", [encode(builders.accepted("m1"))])
        (wire,) = await heard(subscription, 1)
        await until(lambda: quarantined(store, "m1"))
    entry = await store.ledger.get("m1")
    assert entry is not None and entry.failure is not None
    assert orjson.loads(wire.body) == mail_quarantined(entry, entry.failure, SOURCE).event
    assert await store.ledger.owed_by(["m1"]) == ()


async def test_a_replay_that_fails_again_is_told_of_again(broker: Broker, store: Store) -> None:
    """Another event: another id."""
    subscription = await broker.listen(topology.TICKETS, "mail.quarantined.#")
    await store.ledger.insert_many([builders.entry("m1")])
    wires: list[Envelope] = []
    async with consuming(broker, store):
        for _ in range(2):
            await broker.publish(topology.MAIL, "email.accepted", [encode(builders.accepted("m1"))])
            wires += await heard(subscription, 1)
            await until(lambda: quarantined(store, "m1"))
            assert await store.ledger.replay("m1")
    assert len({one.message_id for one in wires}) == 2
    assert {orjson.loads(one.body)["subject"] for one in wires} == {"m1"}


async def test_what_could_not_be_told_is_owed_until_the_bookkeeper_comes(
    broker: Broker, store: Store, clock: FakeClock, metrics: Metrics
) -> None:
    """The event stands in the document that it tells of."""
    await store.ledger.insert_many([builders.entry("m1", attempts=MAX_ATTEMPTS - 1)])
    deaf = Deaf(broker._settings, metrics)
    with suppress(BrokerUnavailable):
        await bookkeeper(store, deaf, clock, metrics).bury(encode(builders.accepted("m1")))
    assert await quarantined(store, "m1")
    subscription = await broker.listen(topology.TICKETS)
    books = bookkeeper(store, broker, clock, metrics)
    await books.relay()
    clock.advance(seconds=16)
    await books.relay()
    (wire,) = await heard(subscription, 1)
    assert (wire.type, wire.content_type) == (MAIL_QUARANTINED, "application/cloudevents+json")
    await books.relay()
    await heard(subscription, 0)
    assert await quarantined(store, "m1")


async def test_a_dead_letter_without_attempts_left_is_told_of_beside_what_its_mail_owed(
    broker: Broker, store: Store, clock: FakeClock, metrics: Metrics
) -> None:
    """A rejection whose event was not sent yet does not lose it by going into quarantine."""
    verdict = builders.decision()
    await store.ledger.insert_many([builders.entry("m1", attempts=MAX_ATTEMPTS - 1)])
    event = mail_rejected("m1", "support", None, builders.AT, verdict)
    await store.ledger.decide_many([DecisionWrite(mail_id="m1", decision=verdict, trace=(), outbox=(event,))])
    subscription = await broker.listen(topology.TICKETS)
    await bookkeeper(store, broker, clock, metrics).bury(encode(builders.accepted("m1")))
    assert {one.type for one in await heard(subscription, 2)} == {MAIL_REJECTED, MAIL_QUARANTINED}
    assert await store.ledger.owed_by(["m1"]) == ()


async def test_a_replayed_mail_has_told_of_its_quarantine_before_it_moves_on(
    broker: Broker, store: Store, clock: FakeClock, metrics: Metrics
) -> None:
    """Once it is done it owes nothing, so it must not get there first."""
    await store.ledger.insert_many([builders.entry("m1")])
    failure = Failure(stage="filter", code="x", what="x", at=clock.now())
    await store.ledger.quarantine("m1", failure, mail_quarantined(builders.entry("m1"), failure, SOURCE))
    await store.ledger.replay("m1")
    subscription = await broker.listen(topology.TICKETS)
    await bookkeeper(store, broker, clock, metrics).republish()
    (wire,) = await heard(subscription, 1)
    assert wire.type == MAIL_QUARANTINED
    assert await broker.depth(topology.FILTER.name) == 1
