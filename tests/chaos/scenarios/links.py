"""S18-S20: slow, sliced, cut and silent connections on every link."""

import asyncio

from tests.chaos.scenarios.scenario import Scenario
from tests.chaos.world import World

LINKS = ("imap", "amqp", "store", "smtp")


async def slow(world: World, seconds: float) -> None:
    """S18: 300 ms and slices of 1 to 7 bytes on all links."""
    for name in LINKS:
        await world.proxies.use(name, latency=0.03 if name == "store" else 0.3, slice=7)
        world.fault(f"slow {name}")
    world.traffic.deliver(15)
    await asyncio.sleep(min(60, max(20, seconds)))
    await world.proxies.heal()


async def cut(world: World, seconds: float) -> None:
    """S19: each connection is reset after so many bytes, for growing numbers, one link after the other."""
    for name in ("imap", "amqp", "store"):
        for limit in (900, 3_000, 9_000, 30_000):
            world.traffic.deliver(8)
            await world.proxies.use(name, limit=limit, reset=True)
            world.fault(f"{name} cut after {limit} bytes")
            await asyncio.sleep(2.5)
        await world.proxies.use(name, reset=True)


async def silent(world: World, seconds: float) -> None:
    """S20: bytes vanish, one way, on one link after the other."""
    for name, way in (("imap", "in"), ("amqp", "out"), ("store", "in"), ("smtp", "in")):
        world.traffic.deliver(15)
        await world.proxies.use(name, hole=way)
        world.fault(f"{name} silent {way}")
        await asyncio.sleep(min(90, max(12, seconds / 4)))
        await world.proxies.use(name, reset=True)


SCENARIOS = (
    Scenario("S18", "slow and sliced connections", slow, short=False),
    Scenario("S19", "connections cut after so many bytes", cut, settle_seconds=240),
    Scenario(
        "S20", "one-way silence on each link", silent, settle_seconds=240, allows=frozenset({"dot_faults"}), short=False
    ),
)
