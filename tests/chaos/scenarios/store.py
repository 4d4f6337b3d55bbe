"""S11, S13, S30: the store dies, stands still, is put back to an older copy, loses a unique index."""

import asyncio
import shutil
from collections.abc import Mapping

from services.all_in_one.process import wait_for
from shared.store.indexes import ensure_indexes
from tests.chaos.processes import asked, environment, frozen, of
from tests.chaos.scenarios.kills import KILLED
from tests.chaos.scenarios.scenario import Scenario, struck
from tests.chaos.settle import settle
from tests.chaos.world import World
from tests.support.embedded_store import drop_index

STAGES = ("fetcher", "filter", "classifier", "ticket_writer", "bookkeeper", "notifier")
LOOK_SECONDS = 3


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
    with frozen(world.server.pids):
        world.fault("SIGSTOP store")
        await asyncio.sleep(35)


async def put_back(world: World, seconds: float) -> None:
    """S13: the store is put back to an older copy of its data: mails, tickets and acknowledgements are forgotten.
    The mails are still on their server, and must become the same tickets again."""
    world.traffic.deliver(20)
    await settle(world, 60)
    data, copy = world.server.folder / "data", world.folder / "older"
    await world.server.stop()
    shutil.copytree(data, copy)
    await world.server.start()
    world.traffic.deliver(40)
    unrest = await settle(world, 60)
    struck(not unrest, f"there was nothing to forget yet: {unrest}")
    before = await _tickets(world)
    await world.server.stop()
    shutil.rmtree(data)
    copy.rename(data)
    await world.server.start()
    world.fault("the store put back to an older copy")
    forgotten = before.keys() - (await _tickets(world)).keys()
    struck(len(forgotten) > 10, f"only {len(forgotten)} tickets were forgotten")
    unrest = await settle(world, 90)
    struck(not unrest, f"what was forgotten did not come back: {unrest}")
    world.traffic.deliver(10)


async def _tickets(world: World) -> Mapping[str, str]:
    return {one.ticket_id: one.origin_mail_id async for one in world.store.tickets.iter_origins()}


async def index_dropped(world: World, seconds: float) -> None:
    """S30: somebody drops a unique index under load. No work is taken until it is back, and everybody says so."""
    stages = of(world, *STAGES)
    async with environment(stages, {"MAIL_AUTOMATOR_STORE_CHECK_SECONDS": str(LOOK_SECONDS)}):
        world.traffic.deliver(40)
        await asyncio.sleep(0.5)
        await drop_index(world.store_settings, "tickets", "origin_mail_id")
        world.fault("dropped the unique index tickets(origin_mail_id)")

        async def all_held() -> bool:
            return all(["mail_automator_work_held 1.0" in await asked(one, "/metrics") for one in stages])

        struck(await wait_for(all_held, 60), "a service went on without the unique index")
        world.traffic.deliver(20)
        await asyncio.sleep(2)
        before = await _standing(world)
        await asyncio.sleep(LOOK_SECONDS * 2)
        struck(await _standing(world) == before, "work was done without the unique index")
        struck(await all_held(), "it was not held to the end")
        await ensure_indexes(world.store)
        world.traffic.deliver(10)
        unrest = await settle(world, 120)
        struck(not unrest, f"it did not go on after the index was back: {unrest}")


async def _standing(world: World) -> tuple[object, int]:
    return await world.store.ledger.count_by_outcome(), len(await _tickets(world))


PUT_BACK = frozenset({"store_forgot", "cursors", "moves"})
SCENARIOS = (
    Scenario("S11", "kill -9 of the store, twice", killed, allows=KILLED),
    Scenario("S13", "the store put back to an older copy", put_back, allows=PUT_BACK, short=False),
    Scenario("S30", "a unique index dropped under load", index_dropped, short=False),
    Scenario("S11p", "the store stands still", paused, allows=KILLED, short=False),
)
