"""The broker door on the session's RabbitMQ, with the topology's queues empty at the start of each test."""

from collections.abc import AsyncIterator

import aio_pika
import pytest
import pytest_asyncio
from pydantic import SecretStr

from shared.broker import topology
from shared.broker.client import Broker
from shared.broker.settings import BrokerSettings
from shared.observability.metrics import Metrics


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
    yield door
    await door.close()
