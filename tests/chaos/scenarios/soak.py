"""S32: the soak. Mail comes in without a pause while faults of every kind strike, for as long as it takes."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from shared.domain.errors import AutomatorError
from tests.chaos.scenarios.broker import stand_still
from tests.chaos.scenarios.kills import KILLED, random_kill, random_stop
from tests.chaos.scenarios.links import LINKS
from tests.chaos.scenarios.scenario import Scenario
from tests.chaos.world import World

BACKLOG = 1_500
"""Mails that may be on their way: beyond, delivery waits, as a backlog that only grows would hide the faults."""
MAILS_PER_FAULT = 90


@dataclass
class Soak:
    """The mail of one soak."""

    world: World
    done: asyncio.Event = field(default_factory=asyncio.Event)
    final: int = 0
    """How many mails were final when they were last counted."""

    async def mail(self) -> None:
        """All of it, in bursts."""
        while self.world.traffic.count < self.world.mails:
            await self.room()
            for _ in range(self.world.chance.randint(20, 200)):
                self.world.traffic.deliver()
                await asyncio.sleep(0)
        self.done.set()

    async def room(self) -> None:
        """Wait until few enough mails are on their way, and until enough has been broken under those that came."""
        while self.world.traffic.count > (len(self.world.faults) + 5) * MAILS_PER_FAULT:
            await asyncio.sleep(0.2)
        while self.world.traffic.count - self.final > BACKLOG:
            await asyncio.sleep(3)
            with contextlib.suppress(AutomatorError):  # the store is away: that is one of the faults
                counts = await self.world.store.ledger.count_by_outcome()
                ends = [one for some in counts.values() for one in some.items()]
                self.final = sum(number for end, number in ends if end != "in_flight")

    def ahead(self) -> bool:
        """Whether there have been more faults than belong to the mails that came."""
        return len(self.world.faults) > self.world.traffic.count // MAILS_PER_FAULT + 5

    async def say(self) -> None:
        """How far it is, each half minute."""
        while not self.done.is_set():
            await asyncio.sleep(30)
            came, final, faults = self.world.traffic.count, self.final, len(self.world.faults)
            print(f"      {came} mails came, {final} were final at last count, {faults} faults", flush=True)

    async def faults(self) -> None:
        """One after the other, until all mail has come and enough of them have struck."""
        kinds, weights = list(FAULTS), list(FAULTS.values())
        least = self.world.mails // MAILS_PER_FAULT
        while not self.done.is_set() or len(self.world.faults) < least:
            (strike,) = self.world.chance.choices(kinds, weights)
            await strike(self.world)
            while self.ahead() and not self.done.is_set():
                await asyncio.sleep(0.2)
            await asyncio.sleep(self.world.chance.uniform(0.3, 1.5))


async def _reset(world: World) -> None:
    link = world.chance.choice(LINKS)
    world.fault(f"{link} cut")
    await world.proxies.use(link, reset=True)
    await world.proxies.use(link)


async def _silence(world: World) -> None:
    link, way = world.chance.choice(LINKS), world.chance.choice(("in", "out", "both"))
    world.fault(f"{link} silent {way}")
    await world.proxies.use(link, hole=way)
    await asyncio.sleep(world.chance.uniform(2, 8))
    await world.proxies.use(link, reset=True)
    await world.proxies.use(link)


async def _slow(world: World) -> None:
    link = world.chance.choice(LINKS)
    world.fault(f"{link} slow")
    await world.proxies.use(link, latency=0.05, slice=7)
    await asyncio.sleep(3)
    await world.proxies.use(link)


async def _mail_server(world: World) -> None:
    world.fault("kill -9 Dovecot")
    await world.dovecot.kill()
    await asyncio.sleep(1)
    await world.dovecot.start()


async def _broker(world: World) -> None:
    world.fault("kill -9 RabbitMQ")
    await world.rabbitmq.kill()
    await asyncio.sleep(1)
    await world.rabbitmq.start()


async def _store(world: World) -> None:
    world.fault("kill -9 store")
    await world.server.kill()
    await asyncio.sleep(1)
    await world.server.start()


async def _broker_stands_still(world: World) -> None:
    await stand_still(world, world.chance.uniform(2, 12))


async def _smtp(world: World) -> None:
    world.sink.mode = world.chance.choice(("451", "drop_before_dot", "drop_after_dot", "refuse_connection"))
    world.fault(f"SMTP {world.sink.mode}")
    await asyncio.sleep(3)
    world.sink.mode = "ok"


async def _moved(world: World) -> None:
    """A person moves mails to another folder and back."""
    user = world.chance.choice(sorted(world.dovecot.users))
    inbox, away = world.dovecot.maildir(user), world.dovecot.maildir(user, "Away")
    files = [file for part in ("new", "cur") for file in (inbox / part).iterdir()]
    chosen = world.chance.sample(files, min(5, len(files)))
    world.fault(f"{len(chosen)} mails moved out and back")
    moved = [file.rename(away / "cur" / f"{file.name.partition(':')[0]}:2,S") for file in chosen if file.exists()]
    await asyncio.sleep(2)
    for file in moved:
        file.rename(inbox / "cur" / file.name)


FAULTS: dict[Callable[[World], Awaitable[None]], int] = {
    random_kill: 55,
    random_stop: 10,
    _reset: 12,
    _silence: 5,
    _slow: 3,
    _mail_server: 4,
    _broker: 2,
    _store: 4,
    _broker_stands_still: 2,
    _smtp: 3,
    _moved: 5,
}
"""How often each strikes, in parts of all."""


async def soak(world: World, seconds: float) -> None:
    """World.mails mails, and a fault to each MAILS_PER_FAULT of them or more."""
    this = Soak(world)
    async with asyncio.TaskGroup() as group:
        group.create_task(this.mail())
        group.create_task(this.faults())
        group.create_task(this.say())


SCENARIOS = (
    Scenario(
        "S32",
        "the soak: every kind of fault, at random",
        soak,
        settle_seconds=900,
        allows=KILLED,
        short=False,
        alone=True,
    ),
)
