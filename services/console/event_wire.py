"""The exchange of the events, for a person at a command line: listen to it, and send events again."""

import json
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any, cast

from shared.broker.client import Broker
from shared.broker.delivery import Delivery
from shared.broker.messages import Outgoing, again
from shared.broker.settings import BrokerSettings
from shared.broker.topology import TICKETS
from shared.domain.ticket import OutboxEvent
from shared.observability.metrics import Metrics

BURST = 200
Event = dict[str, Any]
Show = Callable[[str, Event], None]
"""Is given a routing key and an event."""


async def watch(
    settings: BrokerSettings, keys: Sequence[str], count: int | None, show: Show, listening: Callable[[], None]
) -> None:
    """Show events as they come, up to `count`, from a queue of our own that nobody else is missing.

    `listening` is called once nothing that comes can be missed. Raises BrokerUnavailable or ConfigurationError.
    """
    broker = await Broker.connect(settings, Metrics("cli", "0"))
    try:
        subscription = await broker.listen(TICKETS, *keys)
        listening()
        seen = 0
        while count is None or seen < count:
            for delivery in await subscription.batch(BURST if count is None else count - seen, wait_seconds=60):
                show(delivery.routing_key, _event(delivery))
                await delivery.ack()
                seen += 1
    finally:
        await broker.close()


async def send_again(settings: BrokerSettings, events: AsyncIterator[OutboxEvent]) -> Counter[str]:
    """Publish events, marked as sent again, each burst confirmed before the next; returns how many of each type.

    Raises BrokerUnavailable or ConfigurationError; what was sent until then stays sent.
    """
    broker = await Broker.connect(settings, Metrics("cli", "0"))
    sent: Counter[str] = Counter()
    burst: list[Outgoing] = []
    try:
        async for event in events:
            burst.append(again(event))
            sent[event.type] += 1
            if len(burst) == BURST:
                await broker.publish_all(burst)
                burst = []
        await broker.publish_all(burst)
    finally:
        await broker.close()
    return sent


def _event(delivery: Delivery) -> Event:
    """The event in a message; of what is none (anybody may publish there) only what the message says of itself."""
    try:
        found: object = json.loads(delivery.envelope.body)
    except ValueError:
        found = None
    if isinstance(found, dict):
        return cast("Event", found)
    return {"type": delivery.envelope.type, "not_an_event": True}
