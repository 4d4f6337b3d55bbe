"""S28, S34: another deployment works on the same store: one too many, or an older version during an upgrade."""

import asyncio

from services.all_in_one.rabbitmq import RabbitMQ
from tests.chaos.deployment import Deployment, deployment, handled
from tests.chaos.events import event_log
from tests.chaos.scenarios.kills import KILLED, STAGES
from tests.chaos.scenarios.scenario import Scenario
from tests.chaos.settle import settle
from tests.chaos.world import World
from tests.support.versions import source_of, version_before

BELT = ("fetcher", "filter", "classifier", "ticket_writer")
"""Services that must have handled mail in both deployments, or there was no fault."""
NEWER = frozenset({"MAIL_AUTOMATOR_CRASH_PLAN"})
"""Settings that it does not get: it knows other crash points."""


async def one_broker(world: World, seconds: float) -> None:
    """S34: a second deployment on the same store and broker."""
    async with deployment(world, "second") as second:
        world.fault("a second deployment on the same store and broker")
        await _side_by_side(world, second, seconds)


async def two_brokers(world: World, seconds: float) -> None:
    """S34: a second deployment on the same store, with a broker of its own; the subscriber listens to both."""
    folder = world.folder / "second-broker"
    async with RabbitMQ(folder) as rabbitmq, event_log(rabbitmq.url, folder) as events:
        async with deployment(world, "second", broker_url=rabbitmq.url) as second:
            world.fault("a second deployment on the same store, with a broker of its own")
            await _side_by_side(world, second, seconds)
        await asyncio.sleep(1)  # what it published at its end arrives
    world.events.got.extend(events.got)


async def upgrade(world: World, seconds: float) -> None:
    """S28: an older version beside today's on the same store and broker; then it dies with mail in its hands."""
    before = await version_before()
    source = await source_of(before, world.folder / "older-source")
    async with deployment(world, "older", source=source, newer=NEWER) as older:
        world.fault(f"version {before} beside today's")
        await _side_by_side(world, older, seconds)
        compiled = [one for one in BELT if (source / "services" / one / "__pycache__").is_dir()]
        assert compiled == list(BELT), f"the older version's own source ran in {compiled} alone"
        world.traffic.deliver(20)
        await asyncio.sleep(world.chance.uniform(1, 3))
        for service in STAGES:
            _kill(world, older, service)
    world.fault(f"version {before} taken away")
    world.traffic.deliver(20)


async def _side_by_side(world: World, other: Deployment, seconds: float) -> None:
    """Mail comes in, and a service of either deployment is killed now and then. Both must have worked."""
    loop = asyncio.get_running_loop()
    end, began = loop.time() + seconds, len(world.log)
    while loop.time() < end:
        world.traffic.deliver(world.chance.randint(10, 20))
        await asyncio.sleep(world.chance.uniform(1, 2))
        service = world.chance.choice(STAGES)
        if world.chance.random() < 0.5:
            world.kill(service)
        else:
            _kill(world, other, service)
    await settle(world, 60)
    shares = {one: (handled(world.log[began:], one), other.handled(one)) for one in BELT}
    print(f"      mails handled by ours and by the other: {shares}", flush=True)
    assert all(min(share) > 0 for share in shares.values()), f"one of them did nothing: {shares}"


def _kill(world: World, other: Deployment, service: str) -> None:
    if other.system.processes[service]:
        other.system.kill(service)
        world.fault(f"kill -9 {service} of the other deployment")


SCENARIOS = (
    Scenario("S28", "an older version beside today's, then rolled over", upgrade, allows=KILLED, short=False),
    Scenario("S34", "two deployments on one store and broker", one_broker, allows=KILLED, short=False),
    Scenario("S34b", "two deployments on one store, a broker each", two_brokers, allows=KILLED, short=False),
)
