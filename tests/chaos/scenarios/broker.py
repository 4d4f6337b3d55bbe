"""S6-S10, S33: the broker dies, loses everything, loses a queue, stands still, refuses to take more."""

import asyncio
import shutil

import aio_pika

from services.all_in_one.process import wait_for, wait_until
from tests.chaos.processes import frozen, rabbitmqctl
from tests.chaos.scenarios.scenario import Scenario, struck
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
    with frozen(world.rabbitmq.pids):
        world.fault("SIGSTOP RabbitMQ")
        await asyncio.sleep(seconds)


async def alarms(world: World, seconds: float) -> None:
    """S10: RabbitMQ says that it is short of disk, then of memory, and takes nothing more for a while."""
    for name, limit, tight, usual in ALARMS:
        world.traffic.deliver(30)
        await asyncio.sleep(0.5)
        await rabbitmqctl(world.rabbitmq, limit, tight)
        world.fault(f"{name} alarm")
        try:
            world.traffic.deliver(30)
            struck(await wait_for(lambda: _blocked(world), 20), f"no publisher was blocked by the {name} alarm")
            await asyncio.sleep(min(60, max(15, seconds)))
            struck(name in await rabbitmqctl(world.rabbitmq, "eval", "rabbit_alarm:get_alarms()."), f"no {name} alarm")
        finally:
            await rabbitmqctl(world.rabbitmq, limit, usual)


async def _blocked(world: World) -> bool:
    return "blocked" in (await rabbitmqctl(world.rabbitmq, "list_connections", "state")).split()


async def held_too_long(world: World, seconds: float) -> None:
    """S33: deliveries are held longer than the broker allows, by a filter that stands still, then by all stages while
    the store is away: it closes their channels and gives the messages to others."""
    await _consumer_timeout(world, HELD_MOST, 1)
    try:
        world.traffic.deliver(40)
        await asyncio.sleep(0.4)
        with frozen(world.system.processes["filter"]):
            world.fault("SIGSTOP of the filter, longer than consumer_timeout")
            world.traffic.deliver(20)
            struck(await wait_until(lambda: _closed(world) > 0, 30), "the broker did not close the filter's channel")
        await asyncio.sleep(3)
        before = _closed(world)
        world.traffic.deliver(40)
        await asyncio.sleep(0.6)
        await world.server.kill()
        world.fault("the store is away for longer than consumer_timeout")
        there = await wait_until(lambda: _closed(world) > before, 30)
        await world.server.start()
        struck(there, "the broker closed no channel of those that waited for the store")
        world.traffic.deliver(10)
    finally:
        await _consumer_timeout(world, 1800, 60)


async def _consumer_timeout(world: World, seconds: int, every: int) -> None:
    """A channel reads `consumer_timeout` as it is opened: so all are opened anew."""
    settings = {"consumer_timeout": seconds, "channel_tick_interval": every}
    for name, value in settings.items():
        await rabbitmqctl(world.rabbitmq, "eval", f"application:set_env(rabbit, {name}, {value * 1000}).")
    await world.proxies.use("amqp", reset=True)
    await asyncio.sleep(3)


def _closed(world: World) -> int:
    """How many channels the broker closed because a delivery was held too long, by its log."""
    return world.rabbitmq.log_file.read_text(errors="replace").count(TIMED_OUT)


HELD_MOST = 6
TIMED_OUT = "has timed out waiting"
ALARMS = (
    ("disk", "set_disk_free_limit", "100000GB", "50MB"),
    ("memory", "set_vm_memory_high_watermark", "0.0001", "0.3"),
)
"""Name, limit, the value that sounds it, and the one that the private node is configured with."""


SCENARIOS = (
    Scenario("S6", "kill -9 of RabbitMQ", killed),
    Scenario("S7", "RabbitMQ loses its data", data_deleted, allows=frozenset({"events_may_be_missing"})),
    Scenario("S8", "queues purged, deleted, unbound", queues_emptied),
    Scenario("S9", "RabbitMQ stands still", paused, short=False),
    Scenario("S10", "RabbitMQ's disk alarm, then its memory alarm", alarms, short=False),
    Scenario("S33", "deliveries held longer than consumer_timeout", held_too_long, short=False),
)
