"""When events arrive at a subscriber: the end of what a person calls "how long does it take"."""

import asyncio
import itertools
import statistics
import time
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager

import orjson
from pydantic import SecretStr

from shared.broker import topology
from shared.broker.client import Broker
from shared.broker.settings import BrokerSettings
from shared.observability.metrics import Metrics
from tests.bench.meanwhile import meanwhile
from tests.support.pipeline import Pipeline

Arrivals = Mapping[int, float]
"""Monotonic time of arrival, by the number that ends the subject of the mail (tests/bench/generator.py)."""


@asynccontextmanager
async def subscribed(system: Pipeline) -> AsyncGenerator[Arrivals]:
    """Listens to created tickets meanwhile, as any other system does."""
    broker = await Broker.connect(BrokerSettings(url=SecretStr(system.system.broker_url)), Metrics("bench", "0"))
    found: dict[int, float] = {}
    try:
        async with meanwhile(_listen(broker, found)):
            await asyncio.sleep(0.5)
            yield found
    finally:
        await broker.close()


async def deliver(
    system: Pipeline,
    names: Sequence[str],
    raws: Sequence[bytes],
    rate: float,
    enough: Callable[[], bool] = lambda: False,
) -> list[float]:
    """Deliver them to these mailboxes in turn, `rate` a second, until that is `enough`.

    Returns when each was delivered: at its time, or as soon after as the machine allows.
    """
    began, delivered = time.monotonic(), list[float]()
    for number, (raw, name) in enumerate(zip(raws, itertools.cycle(names), strict=False)):
        await asyncio.sleep(max(0.0, began + number / rate - time.monotonic()))
        if enough():
            break
        system.dovecot.deliver(name, raw)
        delivered.append(time.monotonic())
    return delivered


async def awaited(arrivals: Arrivals, wanted: Sequence[int], seconds: float) -> None:
    """Wait until all of these have arrived. Raises TimeoutError."""
    async with asyncio.timeout(seconds):
        while any(number not in arrivals for number in wanted):
            await asyncio.sleep(0.05)


def spread(seconds: Sequence[float]) -> dict[str, float]:
    """Percentiles, in milliseconds."""
    cuts = statistics.quantiles(seconds, n=100, method="inclusive")
    found = {"p50": cuts[49], "p95": cuts[94], "p99": cuts[98], "max": max(seconds)}
    return {name: round(1000 * value, 1) for name, value in found.items()}


async def _listen(broker: Broker, found: dict[int, float]) -> None:
    subscription = await broker.listen(topology.TICKETS, "ticket.created.#")
    while True:
        for delivery in await subscription.batch(200, wait_seconds=1):
            at = time.monotonic()
            subject = str(orjson.loads(delivery.envelope.body)["data"]["subject"])
            found.setdefault(int(subject.rpartition(" ")[2]), at)
            await delivery.ack()
