"""S2, S3, S27: services die, at random, several at once, or are asked to stop, while mail comes in."""

import asyncio
import signal

from tests.chaos.scenarios.scenario import Scenario
from tests.chaos.world import World

STAGES = ("fetcher", "filter", "classifier", "ticket_writer", "bookkeeper", "notifier")


async def random_kill(world: World) -> None:
    """kill -9 of a random service."""
    world.kill(world.chance.choice(STAGES))


async def random_stop(world: World) -> None:
    """SIGTERM to a random process."""
    service = world.chance.choice(STAGES)
    if world.system.processes[service]:
        world.system.kill(service, 0, signal.SIGTERM)
        world.fault(f"SIGTERM {service}")


async def random_kills(world: World, seconds: float) -> None:
    """kill -9 of a random service each one to five seconds."""
    loop = asyncio.get_running_loop()
    end = loop.time() + seconds
    while loop.time() < end:
        world.traffic.deliver(world.chance.randint(2, 12))
        await random_kill(world)
        await asyncio.sleep(world.chance.uniform(1, 5))


async def kills_together(world: World, seconds: float) -> None:
    """Two services at the same moment, then all at once."""
    loop = asyncio.get_running_loop()
    end = loop.time() + seconds
    while True:
        world.traffic.deliver(20)
        await asyncio.sleep(world.chance.uniform(0.1, 1.5))
        for service in world.chance.sample(STAGES, 2):
            world.kill(service)
        await asyncio.sleep(4)
        world.traffic.deliver(20)
        await asyncio.sleep(world.chance.uniform(0.1, 1.5))
        for service in STAGES:
            world.kill(service)
        await asyncio.sleep(4)
        if loop.time() >= end:
            return


async def rolling_restart(world: World, seconds: float) -> None:
    """SIGTERM to each service in turn under load: what it holds is finished or given back."""
    for service in STAGES:
        world.traffic.deliver(15)
        for pid in list(world.system.processes[service]):
            world.system.kill(service, 0, signal.SIGTERM)
            world.fault(f"SIGTERM {service} {pid}")
        await asyncio.sleep(2)


KILLED = frozenset({"dot_faults"})
"""A notifier that is killed after it wrote down that the dot goes out leaves `unknown`: at most once is the promise."""
SCENARIOS = (
    Scenario("S2", "random kill -9 of any service", random_kills, allows=KILLED),
    Scenario("S3", "kill -9 of two services, and of all, at the same moment", kills_together, allows=KILLED),
    Scenario("S27", "rolling restart of every service under load", rolling_restart),
)
