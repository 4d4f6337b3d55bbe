"""A node that is killed in its very first moments does not leave queues without a leader behind."""

import asyncio
from pathlib import Path

from pydantic import SecretStr

from services.all_in_one import first_moments
from services.all_in_one.rabbitmq import RabbitMQ
from services.all_in_one.settings import environment
from services.all_in_one.system import System
from shared.broker.client import Broker
from shared.broker.settings import BrokerSettings
from shared.broker.topology import QUEUES
from shared.observability.metrics import Metrics


async def test_the_system_works_after_its_node_was_killed_right_after_its_first_queues(tmp_path: Path) -> None:
    """Without throwing the unsettled data away, consuming would wait for a leader for ever."""
    async with RabbitMQ(tmp_path / "rabbitmq") as node:
        await (await _broker(node.url)).close()
        await node.kill()
    system = System(tmp_path, {}, environ=environment())
    try:
        await system.start_servers()
        assert (tmp_path / "rabbitmq" / first_moments.MARK).exists()
        broker = await _broker(system.broker_url)
        async with asyncio.timeout(20):
            for queue in QUEUES:
                await (await broker.subscribe(queue.name, 1)).stop()
        await broker.close()
    finally:
        await system.stop()


async def _broker(url: str) -> Broker:
    return await Broker.connect(BrokerSettings(url=SecretStr(url)), Metrics("test", "0"))
