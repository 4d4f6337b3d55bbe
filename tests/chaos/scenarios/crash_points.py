"""S1: the process dies at each crash point, at its first hit, and where ordinary mail comes by, at its third.

All services die side by side, each at one of its points after the other; no point waits for the world to come to rest
after the one before it. First comes what mail brings about. What then has to be provoked waits until it has to itself
the services that it handles.
"""

import asyncio
import contextlib
import signal
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import aio_pika

from shared.domain.errors import AutomatorError
from shared.domain.ledger import LedgerEntry
from shared.runtime.consume.suspects import KillsWorker
from tests.chaos.plan import CrashPlan
from tests.chaos.provoke import BESIDES, EVERYBODY, PROVOKED, TRAFFIC, provocation, signal_all, undisturbed
from tests.chaos.scenarios.kills import KILLED, STAGES
from tests.chaos.scenarios.scenario import Scenario
from tests.chaos.world import World

FEW = 10
"""Points of the short run."""
POINT_SECONDS = 150.0
"""How long a point may take to be reached."""
REPLAY_SECONDS = 90.0
"""How long mail in quarantine is looked for."""
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
    "store.after_decisions": "filter",
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
    """Some of the points, drawn by the seed, at their first hit."""
    every = (*TRAFFIC, *PROVOKED)
    drawn = set(world.chance.sample(every, FEW))
    await _strike(world, [point for point in every if point in drawn], 1)


async def all_points(world: World, seconds: float) -> None:
    """Every point at its first hit; then those that mail comes by at their third."""
    every = [point for point in (*TRAFFIC, *PROVOKED) if not world.points or point in world.points]
    await _strike(world, every, 1)
    await _strike(world, [point for point in every if point in TRAFFIC], 3)


async def _strike(world: World, points: Sequence[str], hit: int) -> None:
    plan, began = CrashPlan(world.plan), datetime.now(UTC)
    trickle = asyncio.create_task(_trickle(world))
    try:
        await _some_tickets(world)
        for table in (TRAFFIC, PROVOKED):
            await _side_by_side(world, plan, [point for point in points if point in table], hit)
    finally:
        trickle.cancel()
        world.plan.unlink(missing_ok=True)
    await _replay(world, plan, began)


async def _side_by_side(world: World, plan: CrashPlan, points: Sequence[str], hit: int) -> None:
    """All services at the same time, the points of each one after the other."""
    locks = {service: asyncio.Lock() for service in EVERYBODY}

    async def one_after_the_other(service: str) -> None:
        for point in points:
            if owner(point) == service:
                async with undisturbed(locks, BESIDES.get(point, frozenset()) | {service}):
                    await _one(world, plan, point, hit)

    await asyncio.gather(*map(one_after_the_other, STAGES))


async def _trickle(world: World) -> None:
    while True:
        world.traffic.deliver(2)
        await asyncio.sleep(1)


async def _some_tickets(world: World) -> None:
    """Until there are some: provocations are about mails that are done. Raises TimeoutError."""
    async with asyncio.timeout(60):
        while len(world.events.of("ticket.created")) < 10:
            await asyncio.sleep(0.2)


async def _one(world: World, plan: CrashPlan, point: str, hit: int) -> None:
    began = time.monotonic()
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
    if world.told:
        end, seconds = "hit" if marker.exists() else "MISSED", time.monotonic() - began
        print(f"      {end:<6} {point}, hit {hit}: {seconds:.1f} s", flush=True)


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


async def _replay(world: World, plan: CrashPlan, began: datetime) -> None:
    """Until nothing is in flight: who replays what is in quarantine as promised, because its workers died with it again
    and again, or because a provocation put it there. Whatever else is there stays, and the checker says so."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(REPLAY_SECONDS):
            while await _replayed(world, plan, began) or await _in_flight(world):
                await asyncio.sleep(1)


async def _replayed(world: World, plan: CrashPlan, began: datetime) -> int:
    """How many were replayed now."""
    held = [one async for one in world.store.ledger.quarantined_since(began)]
    ours = [one for one in held if one.mail_id in plan.quarantined or _killed_its_workers(one)]
    for one in ours:
        await world.store.ledger.replay(one.mail_id)
        world.fault("replayed from quarantine")
    return len(ours)


def _killed_its_workers(entry: LedgerEntry) -> bool:
    return entry.failure is not None and entry.failure.code == KillsWorker.code


async def _in_flight(world: World) -> int:
    counts = await world.store.ledger.count_by_outcome()
    return sum(outcomes.get("in_flight", 0) for outcomes in counts.values())


SCENARIOS = (
    Scenario("S1", "a crash at some of the crash points", some_points, allows=KILLED),
    Scenario(
        "S1x",
        "a crash at every crash point, first and third hit",
        all_points,
        settle_seconds=600,  # one notifier, killed again and again, has some thousand acknowledgements left to send
        allows=KILLED,
        short=False,
    ),
)
