"""The broker door on the session's RabbitMQ, with the topology's queues empty at the start of each test."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aio_pika
import pytest
import pytest_asyncio
from aio_pika.abc import AbstractIncomingMessage
from pydantic import SecretStr

from shared.broker import topology
from shared.broker.client import Broker, Subscription
from shared.broker.delivery import Delivery
from shared.broker.settings import BrokerSettings
from shared.contracts.codec import Envelope
from shared.observability.metrics import Metrics
from tests.support.canary import check

LAST = Envelope(body=b"", content_type="text/plain", type="last.v1", message_id="the last of a test")


@pytest_asyncio.fixture
async def broker_settings(rabbitmq_url: str) -> BrokerSettings:
    """Settings for the door; every queue of the topology is deleted first."""
    await without_queues(rabbitmq_url)
    return BrokerSettings(url=SecretStr(rabbitmq_url), connect_deadline_seconds=20)


@pytest.fixture
def metrics() -> Metrics:
    """A metric catalogue of this test alone."""
    return Metrics("test", "0")


@pytest_asyncio.fixture
async def broker(broker_settings: BrokerSettings, metrics: Metrics) -> AsyncIterator[Broker]:
    """The open door."""
    door = await Broker.connect(broker_settings, metrics)
    async with tapped(broker_settings.url.get_secret_value()):
        yield door
    await door.close()


async def without_queues(url: str) -> None:
    """Delete every queue of the topology, with what lies in it: whoever comes declares them anew."""
    connection = await aio_pika.connect(url)
    async with connection:
        channel = await connection.channel()
        for queue in topology.QUEUES:
            await channel.queue_delete(queue.name)


async def arrived(subscription: Subscription, count: int, seconds: float = 20) -> list[Delivery]:
    """That many deliveries, however many batches they come in. Raises TimeoutError after `seconds`."""
    got: list[Delivery] = []
    async with asyncio.timeout(seconds):
        while len(got) < count:
            got += await subscription.batch(count - len(got), wait_seconds=1)
    return got


async def before_now(
    broker: Broker, subscription: Subscription, exchange: str, key: str, seconds: float = 60
) -> list[Delivery]:
    """All that the subscription gets of what was published before, and nothing if that is nothing: it is read up to a
    last message of ours, published by that key, for a queue keeps the order. Raises TimeoutError after `seconds`."""
    await broker.publish(exchange, key, [LAST])
    got: list[Delivery] = []
    async with asyncio.timeout(seconds):
        while not got or got[-1].envelope.message_id != LAST.message_id:
            got += await subscription.batch(1, wait_seconds=5)
    await got[-1].ack()
    return got[:-1]


async def emptied(broker: Broker, queue: topology.Queue) -> list[Envelope]:
    """All that lies in a queue, taken from it."""
    subscription = await broker.subscribe(queue.name, window=200)
    found = await before_now(broker, subscription, queue.exchange, queue.key)
    for one in found:
        await one.ack()
    await subscription.stop()
    return [one.envelope for one in found]


@asynccontextmanager
async def tapped(url: str) -> AsyncIterator[None]:
    """Look for secrets in every message that goes through the exchanges meanwhile. Changes nothing for other queues:
    what no queue of the topology would get, the tap does not get either, but for events."""
    connection = await aio_pika.connect(url)
    async with connection:
        channel = await connection.channel()
        tap = await channel.declare_queue(exclusive=True)
        for exchange, key in [(one.exchange, one.key) for one in topology.QUEUES] + [(topology.TICKETS, "#")]:
            await tap.bind(exchange, key)
        await tap.bind(topology.CONFIG)
        tag = await tap.consume(_look, no_ack=True)
        yield
        await tap.cancel(tag)
        while (message := await tap.get(no_ack=True, fail=False)) is not None:
            await _look(message)


async def _look(message: AbstractIncomingMessage) -> None:
    check(message.body, "the body of a message")
    check(repr(message.info()), "the headers of a message")
