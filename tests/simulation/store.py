"""The store of a simulation: latency, two ways to be away, and a count of what is asked of it.

Each fetcher has a door of its own; what goes through that of a killed one is lost.
"""

import asyncio
import random
from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, TypeVar, cast

from pymongo.errors import AutoReconnect, NetworkTimeout

from shared.store.collection import Database
from shared.store.failures import speaking
from shared.store.runtime import Runtime
from shared.store.wishes import WishStore
from tests.simulation.virtual_time import BEGAN, elapsed
from tests.support.memory_driver import MemoryDatabase, MemoryServer

T = TypeVar("T")

TRIP_SECONDS = (0.0005, 0.004)
DOCUMENT_SECONDS = 5e-6
SELECTION_SECONDS = 10.0
"""How long the driver looks for a server that is gone (the default of MAIL_AUTOMATOR_STORE_TIMEOUT_SECONDS)."""
SOCKET_SECONDS = 30.0
"""How long it waits for an answer of one that stands still."""


class SimulatedStore:
    """One server. `away`: nobody listens. `frozen`: it stands still, and does later what it was asked meanwhile."""

    def __init__(self, server: MemoryServer, chance: random.Random) -> None:
        self.server = server
        self.trips: Counter[int] = Counter()
        self.documents: Counter[int] = Counter()
        self._chance = chance
        self._there = asyncio.Event()
        self._there.set()
        self._frozen = False
        self._kept: list[Callable[[], None]] = []

    async def away(self, seconds: float) -> None:
        """Be gone for so long."""
        self._there.clear()
        await asyncio.sleep(seconds)
        self._there.set()

    async def frozen(self, seconds: float) -> None:
        """Stand still for so long."""
        self._frozen = True
        await asyncio.sleep(seconds)
        self._frozen = False
        kept, self._kept = self._kept, []
        for one in kept:
            one()

    async def trip(self, work: Callable[[], tuple[T, int]]) -> T:
        """One round trip. Raises what the driver raises."""
        self.trips[int(elapsed())] += 1
        await asyncio.sleep(self._chance.uniform(*TRIP_SECONDS))
        if not self._there.is_set():
            await self._listening()
        answer, documents = await self._done(work)
        self.documents[int(elapsed())] += documents
        if documents > 1:
            await asyncio.sleep(documents * DOCUMENT_SECONDS)
        return answer

    async def _listening(self) -> None:
        try:
            async with asyncio.timeout(SELECTION_SECONDS):
                await self._there.wait()
        except TimeoutError:
            raise AutoReconnect("nobody listens") from None

    async def _done(self, work: Callable[[], tuple[T, int]]) -> tuple[T, int]:
        if not self._frozen:
            return work()
        answer: asyncio.Future[tuple[T, int]] = asyncio.get_running_loop().create_future()

        def late() -> None:
            done = work()
            if not answer.done():
                answer.set_result(done)

        self._kept.append(late)
        try:
            async with asyncio.timeout(SOCKET_SECONDS):
                return await answer
        except TimeoutError:
            raise NetworkTimeout("no answer") from None


class Door:
    """A fetcher's own way to the store, with the real repositories over it."""

    def __init__(self, store: SimulatedStore) -> None:
        self._store = store
        self.dead = False
        database = cast(Database, MemoryDatabase(store.server, self._way))
        self.runtime = Runtime(database, self._server_time)
        self.wishes = WishStore(database)

    async def _way(self, work: Callable[[], tuple[Any, int]]) -> Any:
        if self.dead:
            raise AutoReconnect("the process is dead")
        return await self._store.trip(work)

    async def _server_time(self) -> datetime:
        def work() -> tuple[datetime, int]:
            at = BEGAN + timedelta(seconds=elapsed())
            return at.replace(microsecond=at.microsecond // 1000 * 1000), 0

        with speaking("the store"):
            return await self._way(work)
