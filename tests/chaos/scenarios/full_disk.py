"""S21: the disk of the store, then that of RabbitMQ, is full for a while."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

from services.all_in_one.embedded_store import EmbeddedStore
from services.all_in_one.rabbitmq import RabbitMQ
from tests.chaos.processes import rabbitmqctl
from tests.chaos.scenarios.scenario import Scenario, struck
from tests.chaos.settle import settle
from tests.chaos.small_disk import fill, free_bytes, small_disk
from tests.chaos.world import World

MEBIBYTE = 1024 * 1024


async def full(world: World, seconds: float) -> None:
    """Filled to the last byte under load, and freed. A server that died of it is started again then."""
    unrest = await _filled(world, "the store", world.server, 8 * MEBIBYTE, seconds)
    struck(not unrest, f"it did not go on after the disk of the store had room again: {unrest}")
    if await _filled(world, "RabbitMQ", world.rabbitmq, 160 * MEBIBYTE, seconds):
        await _broken_queues_deleted(world)


async def _broken_queues_deleted(world: World) -> None:
    """What the runbook PublishFailing asks for: RabbitMQ has been started anew, and a queue that has no member running
    has lost a part of its log to the full disk. It never comes back, and everything on it is in the ledger."""
    listed = await rabbitmqctl(world.rabbitmq, "list_queues", "--no-table-headers", "name", "online")
    broken = [name for name, online in (line.split("\t") for line in listed.splitlines()) if online == "[]"]
    struck(bool(broken), "it did not go on after the disk of RabbitMQ had room again, and no queue is broken")
    for name in broken:
        world.fault(f"deleted {name}, which was broken")
        await rabbitmqctl(world.rabbitmq, "delete_queue", name)


async def _filled(
    world: World, name: str, server: EmbeddedStore | RabbitMQ, room: int, seconds: float
) -> Sequence[str]:
    """What was not at rest with that disk after there was room again."""
    data = server.folder / "data"
    await server.stop()
    with small_disk(data, room):
        await server.start()
        world.traffic.deliver(20)
        await asyncio.sleep(2)
        await _while_full(world, name, data, seconds)
        if not server.running:
            await server.kill()
            await server.start()
        unrest = await settle(world, 120)
        await server.stop()
    await server.start()
    return unrest


async def _while_full(world: World, name: str, data: Path, seconds: float) -> None:
    ballast = data / "ballast"
    try:
        world.traffic.deliver(10)
        fill(ballast)
        world.fault(f"the disk of {name} is full")
        world.traffic.deliver(30)
        await asyncio.sleep(min(60, max(8, seconds)))
        fill(ballast.with_suffix(".more"))
        struck(free_bytes(data) == 0, f"the disk of {name} was not full to the end")
    finally:
        ballast.unlink()
        ballast.with_suffix(".more").unlink(missing_ok=True)


SCENARIOS = (
    Scenario(
        "S21",
        "a full disk, the store's and RabbitMQ's",
        full,
        allows=frozenset({"events_may_be_missing"}),  # the subscriber's queue may be one of the broken ones
        short=False,
    ),
)
