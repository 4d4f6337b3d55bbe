"""What every stage opens before it works: store, broker, and the configuration it follows."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

from shared.broker import topology
from shared.broker.client import Broker
from shared.broker.settings import BrokerSettings
from shared.runtime.configuration import Configuration
from shared.runtime.process import Process
from shared.runtime.settings import EventSettings, read
from shared.runtime.store_watch import watch
from shared.store.client import Store
from shared.store.indexes import ensure_indexes, verify_indexes
from shared.store.settings import StoreSettings


@dataclass(frozen=True, slots=True)
class Doors:
    """Everything a stage stands on, open; and the `source` of the events it makes."""

    process: Process
    store: Store
    broker: Broker
    configuration: Configuration
    event_source: str


@asynccontextmanager
async def doors(process: Process) -> AsyncGenerator[Doors, None]:
    """Open store and broker, check the indexes, keep the configuration fresh; close all at the end.

    Raises ConfigurationError, StoreUnavailable or BrokerUnavailable, each with one clear line.
    """
    process.ready("store", False)
    process.ready("broker", False)
    source = read(EventSettings, process.environ).source
    settings = read(StoreSettings, process.environ)
    store = await Store.open(settings, clock=process.clock, environ=process.environ, metrics=process.metrics)
    try:
        await ensure_indexes(store)
        await verify_indexes(store)
        process.ready("store", True)
        broker = await Broker.connect(read(BrokerSettings, process.environ), process.metrics, process.tracing)
        try:
            process.ready("broker", True)
            configuration = Configuration(store, process.metrics)
            await configuration.refresh()
            hint = asyncio.Event()
            async with asyncio.TaskGroup() as beside:
                tasks = [
                    beside.create_task(configuration.follow(hint)),
                    beside.create_task(_hear(broker, hint)),
                    beside.create_task(watch(process, store, settings.check_seconds)),
                ]
                try:
                    yield Doors(process, store, broker, configuration, source)
                finally:
                    for task in tasks:
                        task.cancel()
        finally:
            await broker.close()
    finally:
        await store.close()


async def _hear(broker: Broker, hint: asyncio.Event) -> None:
    subscription = await broker.listen(topology.CONFIG)
    with suppress(asyncio.CancelledError):
        while True:
            for delivery in await subscription.batch(100, wait_seconds=60):
                hint.set()
                await delivery.ack()
