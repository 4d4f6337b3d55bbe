"""S11: the store dies, stands still, is away for a while."""

import asyncio
import os
import signal

from tests.chaos.scenarios.kills import KILLED
from tests.chaos.scenarios.scenario import Scenario
from tests.chaos.world import World


async def killed(world: World, seconds: float) -> None:
    """kill -9 of the store in mid-flow, away for some seconds, twice."""
    for away in (1.0, min(60.0, max(8.0, seconds / 2))):
        world.traffic.deliver(50)
        await asyncio.sleep(world.chance.uniform(0.1, 1.0))
        await world.server.kill()
        world.fault("kill -9 store")
        world.traffic.deliver(10)
        await asyncio.sleep(away)
        await world.server.start()
        await asyncio.sleep(3)


async def paused(world: World, seconds: float) -> None:
    """It stands still, longer than any time-out of ours."""
    world.traffic.deliver(50)
    await asyncio.sleep(0.3)
    for pid in world.server.pids:
        os.kill(pid, signal.SIGSTOP)
    world.fault("SIGSTOP store")
    await asyncio.sleep(35)
    for pid in world.server.pids:
        os.kill(pid, signal.SIGCONT)


SCENARIOS = (
    Scenario("S11", "kill -9 of the store, twice", killed, allows=KILLED),
    Scenario("S11p", "the store stands still", paused, allows=KILLED, short=False),
)
