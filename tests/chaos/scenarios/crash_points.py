"""S1: the process dies at each crash point, at its first and its third hit."""

import asyncio

from shared.observability.crash_points import POINTS
from tests.chaos.scenarios.kills import KILLED
from tests.chaos.scenarios.scenario import Scenario
from tests.chaos.settle import settle
from tests.chaos.world import World

HIT_SECONDS = 40.0
OWNERS = {"stage": ("filter", "classifier", "ticket_writer")}
"""Whose processes pass a point whose first word is not their name."""


async def first_hits(world: World, seconds: float) -> None:
    """Every point once."""
    await _all(world, (1,))


async def all_hits(world: World, seconds: float) -> None:
    """Every point at its first and its third hit."""
    await _all(world, (1, 3))


async def _all(world: World, hits: tuple[int, ...]) -> None:
    for hit in hits:
        for name in POINTS:
            await _crash(world, name, hit)
    world.plan.unlink(missing_ok=True)


async def _crash(world: World, name: str, hit: int) -> None:
    marker = world.plan.with_suffix(".hit")
    marker.unlink(missing_ok=True)
    world.plan.write_text(f"{name}:{hit}:{marker}")
    family = name.partition(".")[0]
    for service in OWNERS.get(family, (family,)):
        world.kill(service)
    loop = asyncio.get_running_loop()
    end = loop.time() + HIT_SECONDS
    while not marker.exists() and loop.time() < end:
        world.traffic.deliver(4)
        await world.provoke(name)
        await asyncio.sleep(0.8)
    if marker.exists():
        world.hit.add(f"{name}:{hit}")
        world.fault(f"crash at {name}, hit {hit}")
    await settle(world, 60)


SCENARIOS = (
    Scenario("S1", "a crash at every crash point, first hit", first_hits, allows=KILLED),
    Scenario("S1x", "a crash at every crash point, first and third hit", all_hits, allows=KILLED, short=False),
)
