"""A subscriber that writes down every event it gets, on a durable queue of its own, and survives broker restarts."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import aio_pika
from aio_pika.abc import AbstractConnection, AbstractIncomingMessage

QUEUE = "chaos.events"
PATIENCE = 10.0
"""Seconds for a broker to answer. It may stand still while somebody connects."""


@dataclass
class EventLog:
    """Events by type: the CloudEvents, each as often as it came."""

    file: Path
    got: list[dict] = field(default_factory=list)
    listening: asyncio.Event = field(default_factory=asyncio.Event)

    def of(self, word: str) -> list[dict]:
        """Events whose type ends so (`ticket.created`)."""
        return [one for one in self.got if one["type"] == f"io.mail-automator.{word}.v1"]

    async def take(self, message: AbstractIncomingMessage) -> None:
        """One event: written, then acknowledged."""
        self.got.append(json.loads(message.body))
        with self.file.open("ab") as file:
            file.write(message.body + b"\n")
        with contextlib.suppress(aio_pika.exceptions.AMQPError, ConnectionError, RuntimeError):
            await message.ack()


@asynccontextmanager
async def event_log(url: str, folder: Path) -> AsyncIterator[EventLog]:
    """Subscribed as long as it is entered; connects again, and declares again, whatever happens to the broker."""
    found = EventLog(folder / "events.jsonl")
    listening = asyncio.create_task(_listen(url, found))
    try:
        yield found
    finally:
        listening.cancel()
        await asyncio.gather(listening, return_exceptions=True)


async def _listen(url: str, found: EventLog) -> None:
    while True:
        with contextlib.suppress(Exception):  # whatever breaks, it listens again: a deaf log would accuse the system
            connection = await aio_pika.connect(url, heartbeat=5, timeout=PATIENCE)
            try:
                await _subscribed(connection, found)
            finally:
                async with asyncio.timeout(PATIENCE):
                    await connection.close()
        found.listening.clear()
        await asyncio.sleep(0.3)


async def _subscribed(connection: AbstractConnection, found: EventLog) -> None:
    """Until connection or channel is lost. Raises what AMQP raises, and TimeoutError if the broker stands still."""
    lost = asyncio.Event()
    connection.close_callbacks.add(lambda *_: lost.set())
    async with asyncio.timeout(PATIENCE):
        channel = await connection.channel()
        channel.close_callbacks.add(lambda *_: lost.set())
        await channel.set_qos(100)
        exchange = await channel.declare_exchange("tickets", "topic", durable=True)
        queue = await channel.declare_queue(QUEUE, durable=True, arguments={"x-queue-type": "quorum"})
        await queue.bind(exchange, "#")
        await queue.consume(found.take)
    found.listening.set()
    await lost.wait()
