#!/usr/bin/env python3
"""Takes Mail Automator's events from a queue of its own, and deals with each exactly once. An example to start from.

    pip install aio-pika
    AMQP_URL=amqp://erp:PASSWORD@localhost:5672/ python consumer.py --queue subscriber.erp --key 'ticket.created.#'

The broker delivers at least once. That an id was seen, and what was done about it, are written in one transaction
(SQLite), and only then is the event acknowledged: so it may be killed at any moment.
"""

import argparse
import asyncio
import json
import os
import signal
import sqlite3
import sys
from contextlib import suppress
from pathlib import Path

import aio_pika
from aio_pika.abc import AbstractChannel, AbstractIncomingMessage, AbstractQueue
from aio_pika.exceptions import AMQPError

EXCHANGE, PREFETCH, RETRY_SECONDS = "tickets", 20, 2


class Work:
    """What is done about an event: here, a line. Put your own work into `_do`; what it raises ends the process."""

    def __init__(self, file: Path) -> None:
        self._database = sqlite3.connect(file)
        self._database.executescript(
            """PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;
            CREATE TABLE IF NOT EXISTS seen (source TEXT, id TEXT, PRIMARY KEY (source, id));
            CREATE TABLE IF NOT EXISTS lines (line TEXT NOT NULL);"""
        )

    def take(self, event: dict) -> None:
        """Deal with an event, and note that; in one transaction, and not if it was noted before."""
        with self._database:
            noted = self._database.execute("INSERT OR IGNORE INTO seen VALUES (?, ?)", (event["source"], event["id"]))
            if noted.rowcount == 1:
                self._do(event)

    def _do(self, event: dict) -> None:
        data = event["data"]
        line = f"{event['time']} {event['type']} {data.get('number') or data.get('reason')} {data['mailbox']}"
        self._database.execute("INSERT INTO lines VALUES (?)", (line,))

    def lines(self) -> list[str]:
        return [one for (one,) in self._database.execute("SELECT line FROM lines ORDER BY rowid")]


async def own_queue(channel: AbstractChannel, name: str, keys: list[str]) -> AbstractQueue:
    """Our queue and its dead letters, both durable; made on first use, the same on every later one."""
    dead = await channel.declare_exchange(f"{name}.dead", "fanout", durable=True)
    letters = await channel.declare_queue(dead.name, durable=True, arguments={"x-queue-type": "quorum"})
    await letters.bind(dead)
    arguments = {"x-queue-type": "quorum", "x-dead-letter-exchange": dead.name, "x-delivery-limit": 20}
    queue = await channel.declare_queue(name, durable=True, arguments=arguments)
    for key in keys:
        await queue.bind(EXCHANGE, key)
    return queue


async def deal_with(message: AbstractIncomingMessage, work: Work) -> None:
    """Work first, acknowledge last. What is no event at all goes to the dead letters, for a person to look at."""
    try:
        event = json.loads(message.body)
        known = event["specversion"] == "1.0" and event["source"] and event["id"] and event["data"]["mailbox"]
    except (ValueError, KeyError, TypeError):
        known = False
    if known:
        work.take(event)
    await (message.ack() if known else message.reject(requeue=False))


async def consume(url: str, name: str, keys: list[str], work: Work) -> None:
    """Consume for ever, across every loss of the connection."""
    while True:
        try:
            async with await aio_pika.connect(url, heartbeat=15, timeout=10) as connection:
                channel = await connection.channel()
                await channel.set_qos(prefetch_count=PREFETCH)
                async with (await own_queue(channel, name, keys)).iterator() as messages:
                    print(f"consuming {name}", file=sys.stderr, flush=True)
                    async for message in messages:
                        await deal_with(message, work)
        except (AMQPError, ConnectionError, TimeoutError, RuntimeError) as error:
            print(f"{type(error).__name__}: {error}"[:300], file=sys.stderr, flush=True)
        await asyncio.sleep(RETRY_SECONDS)


async def run(url: str, name: str, keys: list[str], work: Work) -> None:
    """Consume until SIGTERM or Ctrl-C; what is not acknowledged by then stays in the queue."""
    task = asyncio.create_task(consume(url, name, keys, work))
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    with suppress(asyncio.CancelledError):
        await task


def main() -> None:
    parser = argparse.ArgumentParser(description="Consume Mail Automator's events, each exactly once.")
    parser.add_argument("--queue", required=True, help="name of the queue: subscriber. and your system's name")
    parser.add_argument("--key", action="append", help="binding key, such as ticket.created.# (repeatable)")
    parser.add_argument("--folder", type=Path, default=Path(), help="where its SQLite file lies")
    parser.add_argument("--list", action="store_true", help="print what was done, and end")
    given = parser.parse_args()
    work = Work(given.folder / f"{given.queue}.sqlite")
    if given.list:
        print(*work.lines(), sep="\n")
    else:
        asyncio.run(run(os.environ["AMQP_URL"], given.queue, given.key or ["ticket.created.#"], work))


if __name__ == "__main__":
    main()
