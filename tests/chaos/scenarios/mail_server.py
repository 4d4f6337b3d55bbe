"""S14-S17: the mail server dies, renumbers its mail, forgets everything; people move mail about."""

import asyncio
import os
import signal

from shared.store.collection import changed
from tests.chaos.processes import frozen
from tests.chaos.scenarios.scenario import Scenario, struck
from tests.chaos.settle import settle
from tests.chaos.world import World


async def killed(world: World, seconds: float) -> None:
    """S14: Dovecot is killed in the middle of fetching, and again while idle."""
    for _ in range(2):
        world.traffic.deliver(60)
        await asyncio.sleep(world.chance.uniform(0.05, 0.6))
        await world.dovecot.kill()
        world.fault("kill -9 Dovecot")
        world.traffic.deliver(10)
        await asyncio.sleep(1)
        await world.dovecot.start()
        await asyncio.sleep(4)


async def renumbered(world: World, seconds: float) -> None:
    """S15: Dovecot's list of UIDs is deleted: same UIDVALIDITY, other UIDs."""
    await _forget(world, "dovecot-uidlist")


async def new_validity(world: World, seconds: float) -> None:
    """S16: all of Dovecot's index files are deleted: a new UIDVALIDITY, also under an open session."""
    await _forget(world, "dovecot*")


async def _forget(world: World, pattern: str) -> None:
    world.traffic.deliver(30)
    await asyncio.sleep(2)
    await world.dovecot.stop()
    for user in world.dovecot.users:
        for file in world.dovecot.maildir(user).glob(pattern):
            file.unlink()
    world.fault(f"deleted {pattern}")
    await world.dovecot.start()
    world.traffic.deliver(30)


async def moved_about(world: World, seconds: float) -> None:
    """S17: mail is marked read and moved out and back again by a person, while it comes in."""
    world.traffic.deliver(40)
    for user in world.dovecot.users:
        inbox, away = world.dovecot.maildir(user), world.dovecot.maildir(user, "Away")
        files = [file for part in ("new", "cur") for file in (inbox / part).iterdir()]
        for file in world.chance.sample(files, min(10, len(files))):
            file.rename(away / "cur" / f"{file.name.partition(':')[0]}:2,S")
            world.fault("a mail moved out")
    await asyncio.sleep(3)
    world.traffic.deliver(20)
    for user in world.dovecot.users:
        inbox, away = world.dovecot.maildir(user), world.dovecot.maildir(user, "Away")
        for file in list((away / "cur").iterdir()):
            file.rename(inbox / "cur" / file.name)
            world.fault("a mail moved back")


async def cursor_emptied(world: World, seconds: float) -> None:
    """I20: what fetchers know of the mailboxes is gone, and all mail is read again: nothing new comes of it."""
    world.traffic.deliver(20)
    await settle(world)
    before = await world.store.ledger.count_by_outcome()
    with frozen(world.system.processes["fetcher"]):
        await world.store.collection("sightings").delete({})
        for one in await world.store.collection("mailbox_runtime").find({}):
            await world.store.collection("mailbox_runtime").update({"_id": one["_id"]}, changed({"cursors": {}}))
        for pid in world.system.processes["fetcher"]:
            os.kill(pid, signal.SIGKILL)
        world.fault("cursors and sightings deleted")
    struck(not await settle(world), "the mailboxes were not read again")
    struck(await world.store.ledger.count_by_outcome() == before, "the second run changed the books")


SCENARIOS = (
    Scenario("S14", "kill -9 of Dovecot", killed),
    Scenario("S15", "renumbered UIDs under the same UIDVALIDITY", renumbered),
    Scenario("S16", "a new UIDVALIDITY", new_validity),
    Scenario("I20", "all mail read again, without a cursor", cursor_emptied, allows=frozenset({"cursors"})),
    Scenario("S17", "people mark and move mail", moved_about),
)
