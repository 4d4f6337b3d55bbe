"""How deep the queues get while a bench runs, by the process that takes from them."""

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager

from pydantic import SecretStr

from shared.broker import topology
from shared.broker.client import Broker
from shared.broker.settings import BrokerSettings
from shared.domain.errors import BrokerUnavailable
from shared.observability.metrics import Metrics
from tests.bench.meanwhile import meanwhile
from tests.support.pipeline import Pipeline

LOOK_SECONDS = 0.25
QUEUES = {
    "filter": topology.FILTER,
    "classifier": topology.CLASSIFIER,
    "ticket_writer": topology.TICKET_WRITER,
    "notifier": topology.NOTIFIER,
}


@asynccontextmanager
async def deepest(system: Pipeline) -> AsyncGenerator[Mapping[str, int]]:
    """Samples the queues meanwhile: the most messages that lay ready in each."""
    broker = await Broker.connect(BrokerSettings(url=SecretStr(system.system.broker_url)), Metrics("bench", "0"))
    depths: Counter[str] = Counter(dict.fromkeys(QUEUES, 0))
    try:
        async with meanwhile(_look(broker, depths)):
            yield depths
    finally:
        await broker.close()


async def _look(broker: Broker, depths: Counter[str]) -> None:
    while True:
        with contextlib.suppress(BrokerUnavailable):  # too busy to say
            for process, queue in QUEUES.items():
                depths[process] = max(depths[process], await broker.depth(queue.name))
        await asyncio.sleep(LOOK_SECONDS)
