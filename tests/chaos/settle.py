"""Waiting until the world is at rest: every mail final, nothing on the queues, nothing owed."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime

import aio_pika

from shared.domain.errors import AutomatorError
from tests.chaos.world import World

BELT = ("mail.filter", "mail.classifier", "mail.ticket_writer", "tickets.notifier")


async def settle(world: World, seconds: float = 180) -> Sequence[str]:
    """What is still not at rest after so long; empty if all is."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + seconds
    calm = 0
    missing: Sequence[str] = ("nothing was looked at",)
    while loop.time() < deadline:
        try:
            missing = await _unrest(world)
        except AutomatorError as error:
            missing = (error.line(),)
        calm = 0 if missing else calm + 1
        if calm == 3:
            return ()
        await asyncio.sleep(0.7)
    return missing


async def _unrest(world: World) -> Sequence[str]:
    attempts, _ = world.oracle.read()
    counts = await world.store.ledger.count_by_outcome()
    known = sum(count for outcomes in counts.values() for count in outcomes.values())
    in_flight = sum(outcomes.get("in_flight", 0) for outcomes in counts.values())
    found: list[str] = []
    if known < len(attempts):
        found.append(f"{len(attempts) - known} of {len(attempts)} mails are not in the ledger")
    if in_flight:
        found.append(f"{in_flight} mails are in flight")
    found += [f"{name} has messages" for name in BELT if await depth(world, name)]
    if owed := await _owed(world):
        found.append(f"{owed} events are owed")
    return found


async def _owed(world: World) -> int:
    now = datetime.now(UTC)
    return len(await world.store.tickets.pending_outbox(now, 10)) + len(
        await world.store.ledger.pending_outbox(now, 10)
    )


async def depth(world: World, queue: str) -> int:
    """Messages ready on a queue; 0 if there is none of that name."""
    connection = await aio_pika.connect(world.rabbitmq.url)
    async with connection:
        channel = await connection.channel()
        try:
            declared = await channel.declare_queue(queue, passive=True)
        except aio_pika.exceptions.ChannelClosed:
            return 0
        return declared.declaration_result.message_count or 0
