"""S4, S5: a service stands still while it holds something, others take over, and it wakes up again."""

import asyncio
import os
import signal

from services.all_in_one.process import wait_for, wait_until
from shared.domain.mailbox_runtime import Lease
from tests.chaos.processes import frozen, of
from tests.chaos.scenarios.scenario import Scenario, struck
from tests.chaos.settle import settle
from tests.chaos.world import World
from tests.support.processes import stands_still

AWAKE_AFTER = 45.0


async def fetcher(world: World, seconds: float) -> None:
    """S4: the fetcher that reads a mailbox sleeps through its lease. Another reads on; it wakes with an old token."""
    mailbox = world.chance.choice(list(world.dovecot.users))
    lease = await _lease(world, mailbox)
    sleeper = next(one for one in of(world, "fetcher") if one.program.env["MAIL_AUTOMATOR_FETCHER_ID"] == lease.holder)
    world.traffic.deliver(40)
    await asyncio.sleep(world.chance.uniform(0.05, 0.4))
    with frozen([sleeper.pid]):
        world.fault(f"SIGSTOP of the fetcher of {mailbox}")
        world.traffic.deliver(20)

        async def moved() -> bool:
            now = (await world.store.runtime.leases()).get(mailbox)
            return now is not None and now.holder != lease.holder and now.token > lease.token

        struck(await wait_for(moved, 60), f"nobody took {mailbox} over")
        await asyncio.sleep(min(AWAKE_AFTER, seconds / 2))
        world.traffic.deliver(20)
    world.traffic.deliver(10)


async def _lease(world: World, mailbox: str) -> Lease:
    async def held() -> bool:
        return mailbox in await world.store.runtime.leases()

    struck(await wait_for(held, 60), f"nobody reads {mailbox}")
    return (await world.store.runtime.leases())[mailbox]


async def ticket_writer(world: World, seconds: float) -> None:
    """S5: a ticket writer stands still between its decisions and their tickets; the other writes them; it wakes up."""
    marker = world.plan.with_suffix(".stopped")
    world.plan.write_text(f"ticket_writer.after_decisions:1:{marker}:stop")
    for pid in world.system.processes["ticket_writer"]:
        os.kill(pid, signal.SIGKILL)
    world.traffic.deliver(30)
    struck(await wait_until(marker.exists, 60), "no ticket writer decided anything")
    world.plan.unlink()
    (pid,) = [one.pid for one in of(world, "ticket_writer") if one.pid and stands_still(one.pid)]
    world.fault("SIGSTOP of a ticket writer after its decisions")
    try:
        world.traffic.deliver(20)
        unrest = await settle(world, 90)
        struck(stands_still(pid), "it did not stand still to the end")
        struck(not unrest, f"the other did not finish: {unrest}")
    finally:
        os.kill(pid, signal.SIGCONT)
    marker.unlink()
    world.traffic.deliver(10)


SCENARIOS = (
    Scenario("S4", "a fetcher sleeps through its lease", fetcher, short=False),
    Scenario("S5", "a ticket writer stops between decision and ticket", ticket_writer),
)
