"""S6-S10, S33: the broker dies, loses everything, loses a queue, stands still, refuses to take more."""

import asyncio
import os
import shutil
import signal

import aio_pika

from tests.chaos.scenarios.scenario import Scenario
from tests.chaos.world import World


async def killed(world: World, seconds: float) -> None:
    """S6: kill -9 of RabbitMQ in mid-flow, and started again."""
    world.traffic.deliver(60)
    await asyncio.sleep(world.chance.uniform(0.2, 1.5))
    await world.rabbitmq.kill()
    world.fault("kill -9 RabbitMQ")
    world.traffic.deliver(20)
    await asyncio.sleep(2)
    await world.rabbitmq.start()


async def data_deleted(world: World, seconds: float) -> None:
    """S7: RabbitMQ's data folder is deleted in mid-flow. The subscriber's queue goes with it, and what lay there."""
    world.traffic.deliver(60)
    await asyncio.sleep(world.chance.uniform(0.2, 1.5))
    await world.rabbitmq.kill()
    shutil.rmtree(world.rabbitmq.folder / "data")
    world.fault("RabbitMQ's data deleted")
    world.traffic.deliver(20)
    await world.rabbitmq.start()


async def queues_emptied(world: World, seconds: float) -> None:
    """S8: a queue is purged, another deleted, a binding removed."""
    world.traffic.deliver(80)
    connection = await aio_pika.connect(world.rabbitmq.url)
    async with connection:
        channel = await connection.channel()
        for name in ("mail.filter", "mail.classifier", "mail.ticket_writer"):
            queue = await channel.get_queue(name, ensure=False)
            await queue.purge()
            world.fault(f"purge {name}")
            await asyncio.sleep(0.3)
        await channel.queue_delete("mail.classifier")
        world.fault("delete mail.classifier")
        world.traffic.deliver(20)
        await asyncio.sleep(1)
        queue = await channel.get_queue("mail.ticket_writer", ensure=False)
        await queue.unbind("mail", "email.classified")
        world.fault("unbind mail.ticket_writer")
    world.traffic.deliver(20)


async def paused(world: World, seconds: float) -> None:
    """S9: RabbitMQ stands still, longer than a heartbeat."""
    world.traffic.deliver(40)
    await asyncio.sleep(0.5)
    world.traffic.deliver(20)
    await stand_still(world, min(60, max(20, seconds)))


async def stand_still(world: World, seconds: float) -> None:
    """SIGSTOP of RabbitMQ for so long."""
    pids = world.rabbitmq.pids
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    world.fault("SIGSTOP RabbitMQ")
    await asyncio.sleep(seconds)
    for pid in pids:
        os.kill(pid, signal.SIGCONT)


SCENARIOS = (
    Scenario("S6", "kill -9 of RabbitMQ", killed),
    Scenario("S7", "RabbitMQ loses its data", data_deleted, allows=frozenset({"events_may_be_missing"})),
    Scenario("S8", "queues purged, deleted, unbound", queues_emptied),
    Scenario("S9", "RabbitMQ stands still", paused),
)
