"""S22: the clock of one process jumps while it works, by an hour forth and back and by ten years; then it is killed."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

from services.all_in_one.process import wait_for
from shared.domain.errors import StoreUnavailable
from tests.chaos.processes import clock_of, environment, of
from tests.chaos.scenarios.kills import KILLED
from tests.chaos.scenarios.scenario import Scenario, struck
from tests.chaos.world import World

LIBRARY = "/usr/$LIB/faketime/libfaketimeMT.so.1"
"""Debian's `faketime`; the dynamic linker fills in $LIB."""
JUMPS = (timedelta(hours=1), timedelta(hours=-1), timedelta(days=3652))
MASSES = 600
"""In each mailbox more than may come back without a person (`services.fetcher.decide.MASS`)."""
SOURCE = Path(__file__).parents[3]
SITE = SOURCE / "tests" / "chaos" / "clock"


async def jumps(world: World, seconds: float) -> None:
    """One fetcher, the bookkeeper, one ticket writer, the store. Only the wall clock: the monotonic one goes on. What
    they wrote with a wrong one must not make masses of new mail look old once all are right."""
    for service in ("fetcher", "bookkeeper", "ticket_writer"):
        kept = of(world, service)[0]
        async with environment([kept], _faked(world)):
            await _jump(world, service, lambda kept=kept: clock_of(kept))
    async with _store_faked(world):
        await _jump(world, "store", world.store.server_time)
    world.traffic.deliver(MASSES)


async def _jump(world: World, who: str, told: Callable[[], Awaitable[datetime]]) -> None:
    for jump in JUMPS:
        world.traffic.deliver(6)
        _file(world).write_text(f"{jump.total_seconds():+.0f}")
        world.fault(f"the clock of the {who} by {jump}")

        async def believed(jump: timedelta = jump) -> bool:
            try:
                return abs(await told() - datetime.now(UTC) - jump) < timedelta(minutes=1)
            except StoreUnavailable:  # it has just been started anew
                return False

        struck(await wait_for(believed, 10), f"the clock of the {who} did not move by {jump}")
        world.traffic.deliver(6)
        await asyncio.sleep(1.5)


@contextlib.asynccontextmanager
async def _store_faked(world: World) -> AsyncIterator[None]:
    world.server.more = _faked(world)
    await world.server.stop()
    await world.server.start()
    try:
        yield
    finally:
        world.server.more = {}
        await world.server.kill()
        await world.server.start()


def _faked(world: World) -> Mapping[str, str]:
    """What lets a process read its clock's error, in seconds, from a file, each second anew."""
    _file(world).write_text("+0")
    return {
        "LD_PRELOAD": LIBRARY,
        "FAKETIME_TIMESTAMP_FILE": str(_file(world)),
        "FAKETIME_CACHE_DURATION": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "PYTHONPATH": f"{SITE}:{SOURCE}",
    }


def _file(world: World) -> Path:
    return world.folder / "clock"


SCENARIOS = (Scenario("S22", "the clock of one process jumps", jumps, allows=KILLED, short=False),)
