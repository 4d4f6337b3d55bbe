"""One fetcher of a simulation: the real follower, watches, leases and renewals, over a simulated store and network."""

import asyncio
import contextlib
import random
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import Any, cast

from pydantic import SecretStr

from services.fetcher.access import Access
from services.fetcher.follower import Follower
from services.fetcher.free import Free
from services.fetcher.handler import Limits
from services.fetcher.intake import Intake
from services.fetcher.renewals import Renewals
from services.fetcher.settings import FetcherSettings
from services.fetcher.watch import Tools, Watch
from shared.domain.errors import Transient
from shared.domain.mailbox import Mailbox
from shared.domain.mailbox_runtime import Lease
from shared.observability.metrics import Metrics
from tests.simulation.book import Book
from tests.simulation.servers import Network
from tests.simulation.store import Door, SimulatedStore
from tests.simulation.virtual_time import VirtualClock

SETTINGS = FetcherSettings()
TTL = timedelta(seconds=SETTINGS.lease_seconds)


class Fetcher:
    """A process. `mailboxes` tells the configuration as it is seen here."""

    def __init__(
        self,
        name: str,
        store: SimulatedStore,
        book: Book,
        mailboxes: Callable[[], Mapping[str, Mailbox]],
        chance: random.Random,
        clock: VirtualClock,
    ) -> None:
        self.name = name
        self._door = Door(store)
        self._network = Network(name, book, chance)
        self._mailboxes = mailboxes
        self._clock = clock
        self._follower = self._composed()
        self._draining = asyncio.Event()
        self._running = asyncio.create_task(self._run(), name=name)

    async def terminate(self) -> None:
        """SIGTERM, until it has ended."""
        self._draining.set()
        await self._running

    async def kill(self) -> None:
        """SIGKILL: nothing more is written, every connection is gone. What runs still is swept away unheard."""
        self._door.dead = True
        self._network.kill()
        self._draining.set()
        self._running.cancel()
        await asyncio.gather(self._running, return_exceptions=True)

    async def _run(self) -> None:
        """As `services.fetcher.app.main` does."""
        try:
            while not self._draining.is_set():
                with contextlib.suppress(Transient):
                    await self._follower.look(self._mailboxes())
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(SETTINGS.follow_seconds):
                        await self._draining.wait()
        finally:
            await self._follower.stop()

    def _composed(self) -> Follower:
        tools = self._tools()

        def start(mailbox: Mailbox, lease: Lease, asked_at: float) -> Watch:
            return Watch(tools, mailbox, lease, asked_at)

        door, take_max = self._door, SETTINGS.take_max
        free = Free(self.name, door.runtime, self._clock, TTL)
        return Follower(self.name, door.runtime, door.wishes, self._clock, TTL, free, take_max, start)

    def _tools(self) -> Tools:
        metrics, books = Metrics("fetcher", "simulated"), cast(Any, _Books(self._door))
        return Tools(
            books=books,
            access=Access(self._network.connect, books.secrets, cast(Any, None), cast(Any, None), metrics),
            intake=Intake(books, cast(Any, None), self._clock),
            belt=cast(Any, None),
            clock=self._clock,
            metrics=metrics,
            limits=Limits(),
            ttl=TTL,
            renewals=Renewals(self._door.runtime, TTL),
            after_rejection=SETTINGS.rejected_seconds,
            reconcile_seconds=SETTINGS.reconcile_seconds,
        )


class _Books:
    """What fetchers use of the store where there is no mail."""

    def __init__(self, door: Door) -> None:
        self.runtime = door.runtime
        self.wishes = door.wishes
        self.secrets = self.sightings = self.ledger = self

    async def reveal(self, mailbox: Mailbox, field: str) -> SecretStr:
        return SecretStr("of a simulation")

    async def settle(self, sightings: Sequence[object]) -> None:
        assert not sightings

    async def known(self, *place: object) -> frozenset[int]:
        return frozenset()

    async def holes(self, *place: object) -> Sequence[object]:
        return ()

    async def at(self, *place: object) -> Sequence[object]:
        return ()
