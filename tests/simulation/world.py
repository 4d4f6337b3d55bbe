"""Fetchers, store, mailboxes and time: what churn acts on, and how it is seen to settle."""

import asyncio
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from types import MappingProxyType

from shared.domain.mailbox import Mailbox
from tests.simulation.book import Book
from tests.simulation.fetcher import Fetcher
from tests.simulation.store import SimulatedStore
from tests.simulation.virtual_time import VirtualClock, elapsed
from tests.support.builders import spec
from tests.support.memory_driver import MemoryServer

HOSTS = 20
LOOK_SECONDS = 2.0
"""How late a change of the configuration may be seen."""
REST_SECONDS = 12.0
"""Nothing has moved for so long: settled."""
PATIENCE_SECONDS = 400.0
_NOTHING: Mapping[str, Mailbox] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Settled:
    """How an event ended: seconds until every mailbox was read, and until the last one had moved. None: never."""

    read_after: float | None
    moved_after: float | None


class World:
    """`fetchers` are those that live, by name."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.book = Book()
        self.store = SimulatedStore(MemoryServer(self.book.written), self.chance)
        self.fetchers: dict[str, Fetcher] = {}
        self._configurations: list[tuple[float, Mapping[str, Mailbox]]] = [(0.0, {})]
        self._made = 0

    @property
    def mailboxes(self) -> Mapping[str, Mailbox]:
        """What is configured now."""
        return self._configurations[-1][1]

    def configure(self, numbers: Sequence[int]) -> None:
        """These mailboxes from now on. Their hosts are dealt out."""
        known = self.mailboxes
        boxes = (known.get(f"box-{number:06}") or _mailbox(number) for number in numbers)
        self._configurations.append((elapsed(), {one.name: one for one in boxes}))
        self.book.want(self.mailboxes)

    async def start(self, count: int, within: float = 1.0, clock: VirtualClock | None = None) -> list[Fetcher]:
        """So many more fetchers, within so many seconds."""
        made: list[Fetcher] = []
        for _ in range(count):
            self._made += 1
            name = f"fetcher-{self.chance.randrange(10**6):06}-{self._made}"
            lag, off, at = (self.chance.uniform(*span) for span in ((0, LOOK_SECONDS), (-5, 5), (0, 1e6)))
            own = clock or VirtualClock(timedelta(seconds=off), began=at)
            fetcher = Fetcher(name, self.store, self.book, lambda lag=lag: self._seen(lag), self.chance, own)
            self.fetchers[name] = fetcher
            made.append(fetcher)
            await asyncio.sleep(within / count)
        return made

    def chosen(self, count: int) -> list[Fetcher]:
        """Some of those that live."""
        return self.chance.sample(sorted(self.fetchers.values(), key=lambda one: one.name), count)

    async def terminate(self, *fetchers: Fetcher) -> None:
        """SIGTERM to all of them at once, until they have ended."""
        for one in fetchers:
            del self.fetchers[one.name]
        await asyncio.gather(*(one.terminate() for one in fetchers))

    def kill(self, *fetchers: Fetcher) -> "asyncio.Future[list[None]]":
        """SIGKILL to all of them at once."""
        for one in fetchers:
            del self.fetchers[one.name]
        return asyncio.gather(*(one.kill() for one in fetchers))

    async def settled(self) -> Settled:
        """Wait until every mailbox is read, the shares are equal, and nothing has moved for a while."""
        book, read_at = self.book, None
        while elapsed() - book.began < PATIENCE_SECONDS and not book.broken:
            await asyncio.sleep(0.5)
            whole = not book.unread()
            read_at = (read_at or elapsed()) if whole else None
            if whole and self._equal() and elapsed() - max(book.changed_at, read_at or 0) >= REST_SECONDS:
                moved = max(0.0, book.changed_at - book.began)
                return Settled(max(0.0, (read_at or 0) - book.began), moved)
        return Settled(read_at and read_at - book.began, None)

    def _equal(self) -> bool:
        shares = self.book.shares()
        held = [shares.get(name, 0) for name in self.fetchers]
        return max(held) <= -(-len(self.mailboxes) // len(self.fetchers)) and sum(held) == len(self.mailboxes)

    def _seen(self, lag: float) -> Mapping[str, Mailbox]:
        at = elapsed() - lag
        return next((boxes for since, boxes in reversed(self._configurations) if since <= at), _NOTHING)


def _mailbox(number: int) -> Mailbox:
    """Its login is its name."""
    name = f"box-{number:06}"
    auth = {"type": "basic", "username": name, "passwordFrom": {"env": "NOT_READ"}}
    return Mailbox(name=name, spec=spec(imap={"host": f"imap-{number % HOSTS}.example.com"}, auth=auth))
