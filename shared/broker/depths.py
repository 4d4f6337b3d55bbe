"""How many messages wait in each queue, for people who look. Declares nothing and never waits long."""

from collections.abc import Mapping

import aio_pika
from aio_pika.exceptions import AMQPError
from pydantic import SecretStr

from shared.broker.hints import TIMEOUT_SECONDS
from shared.broker.topology import QUEUES


async def depths(url: SecretStr) -> Mapping[str, int] | None:
    """The messages that lie ready, by queue; None if the broker does not answer within seconds, or lacks a queue."""
    found: dict[str, int] = {}
    try:
        connection = await aio_pika.connect(url.get_secret_value(), timeout=TIMEOUT_SECONDS)
        async with connection:
            channel = await connection.channel()
            for row in QUEUES:
                queue = await channel.declare_queue(row.name, passive=True, timeout=TIMEOUT_SECONDS)
                found[row.name] = queue.declaration_result.message_count or 0
    except (AMQPError, OSError, TimeoutError, RuntimeError):
        return None
    return found
