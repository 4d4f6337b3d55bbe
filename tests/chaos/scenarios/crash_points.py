"""S1: the process dies at each crash point, at its first hit, and where ordinary mail comes by, at its third.

All services die side by side, each at one of its points after the other; no point waits for the world to come to rest
after the one before it. First comes what mail brings about, last what takes the store from everybody.
"""

import asyncio
import contextlib
import signal
from collections.abc import Iterable, Sequence
from pathlib import Path

import aio_pika

from shared.domain.errors import AutomatorError
from shared.domain.ledger import State
from tests.chaos.plan import CrashPlan
from tests.chaos.provoke import PROVOKED, STORE_AWAY, TRAFFIC, provocation, signal_all
from tests.chaos.scenarios.kills import KILLED, STAGES
from tests.chaos.scenarios.scenario import Scenario
from tests.chaos.world import World

POINT_SECONDS = 45.0
"""How long a point may take to be reached."""
OWNERS = {
    "stage.after_publish": "classifier",
    "stage.after_settle": "ticket_writer",
    "stage.after_ack": "classifier",
    "stage.after_failure": "ticket_writer",
    "stage": "filter",
    "outbox": "filter",
    "store.after_small_raws": "fetcher",
    "store.after_chunks": "fetcher",
    "store.after_claims": "filter",
    "store.after_address_budget": "notifier",
    "store.after_hour_budget": "notifier",
    "store": "ticket_writer",
}
"""Whose process is to die at a point whose first word is not the name of a service."""


def owner(point: str) -> str:
    """The service whose process dies at a point."""
    family = point.partition(".")[0]
    return OWNERS.get(point) or OWNERS.get(family, family)


async def some_points(world: World, seconds: float) -> None:
    """A third of the points, drawn by the seed, at their first hit."""
    every = (*TRAFFIC, *PROVOKED)
    drawn = set(world.chance.sample(every, len(every) // 3))
    await _strike(world, [point for point in every if point in drawn], 1)


async def all_points(world: World, seconds: float) -> None:
    """Every point at its first hit; then those that mail comes by at their third."""
    await _strike(world, (*TRAFFIC, *PROVOKED), 1)
    await _strike(world, TRAFFIC, 3)


async def _strike(world: World, points: Sequence[str], hit: int) -> None:
    plan = CrashPlan(world.plan)
    trickle = asyncio.create_task(_trickle(world))
    by_mail = [point for point in points if point in TRAFFIC]
    provoked = [point for point in points if point in PROVOKED and point not in STORE_AWAY]
    try:
        for some in (by_mail, provoked, [point for point in points if point in STORE_AWAY]):
            await _side_by_side(world, plan, some, hit)
    finally:
        trickle.cancel()
        world.plan.unlink(missing_ok=True)
    await _replay(world)


async def _side_by_side(world: World, plan: CrashPlan, points: Sequence[str], hit: int) -> None:
    """All services at the same time, the points of each one after the other."""
    lines = [[point for point in points if owner(point) == service] for service in STAGES]
    await asyncio.gather(*(_one_after_the_other(world, plan, line, hit) for line in lines))


async def _trickle(world: World) -> None:
    while True:
        world.traffic.deliver(2)
        await asyncio.sleep(1)


async def _one_after_the_other(world: World, plan: CrashPlan, points: Iterable[str], hit: int) -> None:
    for point in points:
        marker = plan.arm(point, hit)
        signal_all(world, owner(point), signal.SIGKILL)  # each of its processes reads the plan when it starts
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(POINT_SECONDS):
                await _reached(world, plan, point, marker)
        plan.disarm(point)
        if marker.exists():
            world.hit.add(f"{point}:{hit}")
            world.fault(f"crash at {point}, hit {hit}")
        else:
            world.missed.append(f"{point}, hit {hit},")


async def _reached(world: World, plan: CrashPlan, point: str, marker: Path) -> None:
    """Provoke it, again and again, until the marker is there."""
    while not marker.exists():
        acting = asyncio.create_task(_provoked(world, plan, point))
        try:
            while not (marker.exists() or acting.done()):
                await asyncio.sleep(0.1)
            await acting  # half a provocation would leave the world in pieces
        finally:
            acting.cancel()
        await asyncio.sleep(0.5)


async def _provoked(world: World, plan: CrashPlan, point: str) -> None:
    """One provocation. What it needs may be down itself at this moment: then it is tried again."""
    with contextlib.suppress(AutomatorError, TimeoutError, aio_pika.exceptions.AMQPError, OSError):
        await provocation(point)(world, plan)


async def _replay(world: World) -> None:
    """Mail whose workers died with it again and again is in quarantine, as promised; this is who replays it."""
    await asyncio.sleep(1)
    for row in [row async for row in world.store.ledger.iter_all()]:
        if row.state is State.QUARANTINED and await world.store.ledger.replay(row.mail_id):
            world.fault("replayed from quarantine")


SCENARIOS = (
    Scenario("S1", "a crash at some of the crash points", some_points, allows=KILLED),
    Scenario("S1x", "a crash at every crash point, first and third hit", all_points, allows=KILLED, short=False),
)
