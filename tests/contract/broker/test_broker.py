"""The broker door against a real RabbitMQ."""

import asyncio
import contextlib
import os
import signal

import aio_pika
import pytest
from pydantic import SecretStr

from services.all_in_one.process import wait_until
from services.all_in_one.rabbitmq import RabbitMQ
from shared.broker import declaring, topology
from shared.broker.client import Broker
from shared.broker.delivery import Delivery, acknowledge
from shared.broker.hints import configuration_changed
from shared.broker.messages import Outgoing, owed
from shared.broker.settings import BrokerSettings
from shared.contracts.codec import Envelope
from shared.domain.errors import BrokerUnavailable, ConfigurationError
from shared.domain.ticket import OutboxEvent
from shared.observability.metrics import Metrics
from tests.support.broker import arrived, tapped
from tests.support.canary import WORD, secret, taken
from tests.support.processes import stands_still
from tests.support.rabbitmq import has_settled


def envelope(body: bytes = b"hello", mail_id: str = "m1") -> Envelope:
    return Envelope(
        body, "application/json", "email.accepted.v1", mail_id, {"mail_id": mail_id, "size": 5, "flag": True}
    )


async def test_what_is_published_comes_out_of_the_queue_unchanged(broker: Broker) -> None:
    """Body, type, id and headers survive the trip."""
    sent = [envelope(b"%d" % count, f"m{count}") for count in range(120)]
    await broker.publish(topology.MAIL, "email.accepted", sent)
    subscription = await broker.subscribe(topology.CLASSIFIER.name, window=50)
    got: dict[str, Envelope] = {}
    async with asyncio.timeout(20):
        while len(got) < len(sent):
            for delivery in await subscription.batch(50, wait_seconds=1):
                got[delivery.envelope.message_id] = delivery.envelope
                await delivery.ack()
    assert got == {one.message_id: one for one in sent}
    assert await broker.depth(topology.CLASSIFIER.name) == 0


async def test_a_message_that_reaches_no_queue_is_an_error_and_not_lost_silently(broker: Broker) -> None:
    """Publishes are mandatory."""
    with pytest.raises(BrokerUnavailable, match="reached no queue"):
        await broker.publish(topology.MAIL, "no.such.key", [envelope()])


@pytest.mark.parametrize("what", ["binding", "queue"])
async def test_a_queue_or_binding_that_somebody_took_away_is_declared_anew(
    broker_settings: BrokerSettings, metrics: Metrics, what: str
) -> None:
    """The message is still refused, so that nothing counts as published; the next try arrives."""
    broker = await Broker.connect(broker_settings, metrics)
    connection = await aio_pika.connect(broker_settings.url.get_secret_value())
    async with connection:
        channel = await connection.channel()
        if what == "queue":
            await channel.queue_delete(topology.CLASSIFIER.name)
        else:
            queue = await channel.get_queue(topology.CLASSIFIER.name, ensure=False)
            await queue.unbind(topology.MAIL, topology.CLASSIFIER.key)
    with pytest.raises(BrokerUnavailable, match="reached no queue"):
        await broker.publish(topology.MAIL, "email.accepted", [envelope(mail_id="again")])
    await broker.publish(topology.MAIL, "email.accepted", [envelope(mail_id="again")])
    assert await broker.depth(topology.CLASSIFIER.name) == 1
    await broker.close()


async def test_an_event_without_a_subscriber_is_no_error(broker: Broker) -> None:
    """Nobody need listen to events."""
    event = OutboxEvent(event_id="e1", type="t", routing_key="ticket.created.x", event={"id": "e1"})
    await broker.publish_all([owed(event)])


async def test_who_listens_to_events_gets_them_by_routing_key(broker: Broker) -> None:
    """A subscriber binds by pattern."""
    subscription = await broker.listen(topology.TICKETS, "ticket.created.#")
    wanted = OutboxEvent(event_id="e1", type="t", routing_key="ticket.created.x", event={"id": "e1"})
    other = OutboxEvent(event_id="e2", type="t", routing_key="mail.rejected.x", event={"id": "e2"})
    await broker.publish_all([owed(other), owed(wanted)])
    got = await arrived(subscription, 1)
    got += await subscription.batch(10, wait_seconds=0.3)
    assert [one.envelope.message_id for one in got] == ["e1"]


async def test_a_rejected_message_lies_in_the_dead_letters_with_its_headers(broker: Broker) -> None:
    """Dead letters keep the mail_id."""
    await broker.publish(topology.MAIL, "email.accepted", [envelope(mail_id="bad")])
    subscription = await broker.subscribe(topology.CLASSIFIER.name, window=5)
    for delivery in await arrived(subscription, 1):
        await delivery.reject()
    dead = await broker.subscribe(topology.DEAD_LETTERS.name, window=5)
    letters = await arrived(dead, 1)
    assert [one.envelope.headers["mail_id"] for one in letters] == ["bad"]


async def test_what_a_stopping_subscription_holds_goes_back_to_the_queue(broker: Broker) -> None:
    """Drain gives back what was not handed out."""
    await broker.publish(topology.MAIL, "email.accepted", [envelope(mail_id=f"m{count}") for count in range(10)])
    first = await broker.subscribe(topology.CLASSIFIER.name, window=10)
    held = await first.batch(2, wait_seconds=10)
    await first.stop()
    for delivery in held:
        await delivery.ack()
    second = await broker.subscribe(topology.CLASSIFIER.name, window=50)
    again: set[str] = set()
    async with asyncio.timeout(20):
        while len(again) < 10 - len(held):
            again |= {one.envelope.message_id for one in await second.batch(50, wait_seconds=1)}
    assert again == {f"m{count}" for count in range(10)} - {one.envelope.message_id for one in held}


async def test_a_full_batch_is_waited_for_but_not_for_ever(broker: Broker) -> None:
    """What lies there is left to others, until it is a batch or the time is up."""
    subscription = await broker.subscribe(topology.CLASSIFIER.name, window=50)
    waiting = asyncio.create_task(subscription.full_batch(5, wait_seconds=30))
    await broker.publish(topology.MAIL, "email.accepted", [envelope(mail_id=f"m{count}") for count in range(3)])
    await asyncio.sleep(0.3)
    assert not waiting.done()
    await broker.publish(topology.MAIL, "email.accepted", [envelope(mail_id=f"m{count}") for count in range(3, 7)])
    full = await asyncio.wait_for(waiting, 20)
    rest: list[Delivery] = []
    async with asyncio.timeout(20):
        while len(rest) < 2:
            rest += await subscription.full_batch(5, wait_seconds=0.2)
    assert [one.envelope.message_id for one in full + rest] == [f"m{count}" for count in range(7)]
    assert len(full) == 5
    assert await subscription.full_batch(5, wait_seconds=0.1) == []
    again = asyncio.create_task(subscription.full_batch(5, wait_seconds=30))
    await asyncio.sleep(0.3)
    assert not again.done()
    again.cancel()


async def test_a_full_batch_that_lies_there_already_is_taken_at_once(broker: Broker) -> None:
    await broker.publish(topology.MAIL, "email.accepted", [envelope(mail_id=f"m{count}") for count in range(5)])
    subscription = await broker.subscribe(topology.CLASSIFIER.name, window=5)
    async with asyncio.timeout(20):
        while await broker.depth(topology.CLASSIFIER.name):
            await asyncio.sleep(0.05)
        await asyncio.sleep(0.3)
        assert len(await subscription.full_batch(5, wait_seconds=30)) == 5


async def test_an_unreachable_broker_is_one_clear_line_without_its_password(metrics: Metrics) -> None:
    """What, where, what to do."""
    settings = BrokerSettings(url=SecretStr(f"amqp://someone:{WORD}@127.0.0.1:1/"), connect_deadline_seconds=0.1)
    with pytest.raises(BrokerUnavailable) as caught:
        await Broker.connect(settings, metrics)
    assert "127.0.0.1:1" in caught.value.line()
    assert "MAIL_AUTOMATOR_BROKER_URL" in caught.value.line()
    assert WORD not in caught.value.line()


async def test_a_wrong_password_is_a_configuration_error_at_once(rabbitmq_url: str, metrics: Metrics) -> None:
    """Trying again would not help."""
    host = rabbitmq_url.rpartition("@")[2]
    settings = BrokerSettings(url=SecretStr(f"amqp://nobody:{WORD}@{host}"), connect_deadline_seconds=20)
    with pytest.raises(ConfigurationError) as caught:
        await Broker.connect(settings, metrics)
    assert caught.value.code == "broker_credentials"
    assert WORD not in caught.value.line()


async def test_the_watch_over_the_exchanges_sees_a_secret_in_a_message(
    broker_settings: BrokerSettings, metrics: Metrics
) -> None:
    """What `tests.support.broker.tapped` is there for."""
    door = await Broker.connect(broker_settings, metrics)
    async with tapped(broker_settings.url.get_secret_value()):
        await door.publish(topology.MAIL, "email.accepted", [envelope(secret().encode())])
    await door.close()
    assert taken() == ["the body of a message"]


async def test_verify_names_all_that_is_missing_and_declares_none_of_it(
    broker_settings: BrokerSettings, metrics: Metrics
) -> None:
    """Clusters whose topology an operator owns only verify."""
    await declaring.apply(broker_settings)
    connection = await aio_pika.connect(broker_settings.url.get_secret_value())
    only_verify = broker_settings.model_copy(update={"topology": "verify"})
    async with connection:
        channel = await connection.channel()
        for queue in (topology.FILTER, topology.NOTIFIER):
            await channel.queue_delete(queue.name)
        for _ in range(2):
            with pytest.raises(ConfigurationError) as caught:
                await Broker.connect(only_verify, metrics)
            assert caught.value.code == "topology_missing"
            assert "missing: queue mail.filter, queue tickets.notifier" in caught.value.line()


async def test_a_look_tells_what_is_there_missing_or_different(broker_settings: BrokerSettings) -> None:
    """And changes none of it."""
    await declaring.apply(broker_settings)
    connection = await aio_pika.connect(broker_settings.url.get_secret_value())
    async with connection:
        channel = await connection.channel()
        await channel.queue_delete(topology.FILTER.name)
        await channel.queue_delete(topology.NOTIFIER.name)
        await channel.declare_queue(topology.NOTIFIER.name, durable=True)
        try:
            looks = [await declaring.look(broker_settings) for _ in range(2)]
        finally:
            await channel.queue_delete(topology.NOTIFIER.name)
    for found in looks:
        states = {one.title: one.state.value for one in found}
        assert states.pop("queue mail.filter") == "missing"
        assert states.pop("queue tickets.notifier") == "different"
        assert set(states.values()) == {"there"}
        assert len(states) == len(topology.EXCHANGES) + len(topology.QUEUES) - 2


async def test_a_queue_with_other_arguments_is_a_clear_conflict(
    broker_settings: BrokerSettings, metrics: Metrics
) -> None:
    """Arguments of a queue are immutable."""
    connection = await aio_pika.connect(broker_settings.url.get_secret_value())
    async with connection:
        channel = await connection.channel()
        await channel.declare_queue(topology.FILTER.name, durable=True)
        try:
            with pytest.raises(ConfigurationError) as caught:
                await Broker.connect(broker_settings, metrics)
        finally:
            await channel.queue_delete(topology.FILTER.name)
    assert caught.value.code == "topology_conflict"


async def test_after_a_killed_broker_publishing_and_consuming_go_on(
    private_rabbitmq: RabbitMQ, metrics: Metrics
) -> None:
    """Confirmed messages survive kill -9, and the door heals by itself."""
    door = await Broker.connect(
        BrokerSettings(url=SecretStr(private_rabbitmq.url), connect_deadline_seconds=30), metrics
    )
    subscription = await door.subscribe(topology.CLASSIFIER.name, window=50)
    await door.publish_all([Outgoing(topology.MAIL, "email.accepted", envelope(mail_id="before"))])
    assert await has_settled(private_rabbitmq, topology.CLASSIFIER.name)
    await private_rabbitmq.kill()
    with pytest.raises(BrokerUnavailable):
        await door.publish_all([Outgoing(topology.MAIL, "email.accepted", envelope(mail_id="during"))])
    await private_rabbitmq.start()
    async with asyncio.timeout(60):
        while True:
            try:
                await door.publish_all([Outgoing(topology.MAIL, "email.accepted", envelope(mail_id="after"))])
                break
            except BrokerUnavailable:
                await asyncio.sleep(0.5)
        seen: set[str] = set()
        while not {"before", "after"} <= seen:
            for delivery in await subscription.batch(50, wait_seconds=1):
                seen.add(delivery.envelope.message_id)
                await delivery.ack()
    await door.close()


async def test_the_hint_that_the_configuration_changed_reaches_who_listens(
    broker: Broker, broker_settings: BrokerSettings
) -> None:
    """It saves the two seconds until the next look."""
    subscription = await broker.listen(topology.CONFIG)
    assert await configuration_changed(broker_settings.url)
    assert len(await subscription.batch(5, wait_seconds=10)) == 1
    assert not await configuration_changed(SecretStr("amqp://nobody:x@127.0.0.1:1/"))


async def test_who_is_cancelled_while_asking_how_full_a_queue_is_ends_whatever_the_driver_does(broker: Broker) -> None:
    """At every moment of the exchange with the broker: the driver loses a cancellation that meets a closing channel."""
    started = asyncio.get_running_loop().time()
    await broker.fill(topology.FILTER.name)
    exchange = asyncio.get_running_loop().time() - started

    async def ask() -> None:
        while True:
            with contextlib.suppress(BrokerUnavailable):
                await broker.fill(topology.FILTER.name)
            await asyncio.sleep(0)

    for moment in range(300):
        task = asyncio.create_task(ask())
        await asyncio.sleep(2 * exchange * moment / 300)
        task.cancel()
        ended, _ = await asyncio.wait({task}, timeout=5)
        assert ended, f"cancelled after {moment} of 150 parts of an exchange"
        assert task.cancelled()


async def test_a_broker_that_stands_still_holds_up_nobody_who_asks_how_full_a_queue_is(
    private_rabbitmq: RabbitMQ, metrics: Metrics
) -> None:
    """It takes what is sent to it and never answers: who asks is told so within the time of a publish."""
    settings = BrokerSettings(url=SecretStr(private_rabbitmq.url), publish_timeout_seconds=2, heartbeat_seconds=60)
    broker = await Broker.connect(settings, metrics)
    node = private_rabbitmq.pids[0]
    os.kill(node, signal.SIGSTOP)
    try:
        assert await wait_until(lambda: stands_still(node), 10)
        async with asyncio.timeout(20):
            with pytest.raises(BrokerUnavailable, match="not known"):
                await broker.fill(topology.FILTER.name)
    finally:
        os.kill(node, signal.SIGCONT)
    assert await broker.fill(topology.FILTER.name) == (0, 0)
    await broker.close()


async def test_of_a_batch_that_is_acknowledged_at_once_nothing_comes_again_and_what_was_held_does(
    broker: Broker, broker_settings: BrokerSettings, metrics: Metrics
) -> None:
    """Whether it was the first, the last, or one between that somebody else held, gave back or rejected."""
    await broker.publish(topology.MAIL, "email.accepted", [envelope(mail_id=f"m{count}") for count in range(1, 11)])
    consuming = await Broker.connect(broker_settings, metrics)
    subscription = await consuming.subscribe(topology.CLASSIFIER.name, window=10)
    held = await arrived(subscription, 10)
    await held[3].reject()
    await acknowledge([*held[2:3], *held[5:7]])
    await acknowledge(held[0:2])
    await acknowledge([held[9], held[7]])
    await held[4].ack()
    assert consuming.connected, "no tag was acknowledged twice"
    await consuming.close()
    again = await arrived(await broker.subscribe(topology.CLASSIFIER.name, window=10), 1)
    assert [one.envelope.message_id for one in again] == ["m9"]
    dead = await arrived(await broker.subscribe(topology.DEAD_LETTERS.name, window=5), 1)
    assert [one.envelope.message_id for one in dead] == ["m4"]
    assert await broker.depth(topology.CLASSIFIER.name) == 0
