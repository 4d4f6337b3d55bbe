"""Listens as another system would: a queue of its own on the exchange `tickets`; notes when each event came.

Must never acknowledge, publish or change anything on the pipeline's own queues.
"""

import asyncio
from datetime import datetime
from types import TracebackType
from typing import Self

import orjson
from pydantic import SecretStr

from shared.broker.client import Broker
from shared.broker.settings import BrokerSettings
from shared.broker.topology import TICKETS
from shared.observability.metrics import Metrics
from shared.runtime.clock import Clock


class Watch:
    """`async with Watch(url, clock) as watch`: `events` maps mail_ids to when their first event was heard."""

    def __init__(self, broker_url: str, clock: Clock) -> None:
        self.events: dict[str, datetime] = {}
        self._settings = BrokerSettings(url=SecretStr(broker_url))
        self._clock = clock
        self._broker: Broker | None = None
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._broker = await Broker.connect(self._settings, Metrics("demo", "0"))
        subscription = await self._broker.listen(TICKETS)

        async def hear() -> None:
            while True:
                for delivery in await subscription.batch(100, wait_seconds=5):
                    event = orjson.loads(delivery.envelope.body)
                    self.events.setdefault(str(event["data"]["mail_id"]), self._clock.now())
                    await delivery.ack()

        self._task = asyncio.create_task(hear(), name="hear events")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
        if self._broker is not None:
            await self._broker.close()
