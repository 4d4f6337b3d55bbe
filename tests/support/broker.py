"""The broker door on the session's RabbitMQ, with the topology's queues empty at the start of each test."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aio_pika
import pytest
import pytest_asyncio
from aio_pika.abc import AbstractIncomingMessage
from pydantic import SecretStr

from shared.broker import topology
from shared.broker.client import Broker
from shared.broker.settings import BrokerSettings
from shared.observability.metrics import Metrics
from tests.support.canary import check


@pytest_asyncio.fixture
async def broker_settings(rabbitmq_url: str) -> BrokerSettings:
    """Settings for the door; every queue of the topology is deleted first."""
    connection = await aio_pika.connect(rabbitmq_url)
    async with connection:
        channel = await connection.channel()
        for queue in topology.QUEUES:
            await channel.queue_delete(queue.name)
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
