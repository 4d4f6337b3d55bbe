"""Mail servers of a simulation: every mailbox is empty, signing in takes a while, connections are counted."""

import asyncio
import random
from collections.abc import Sequence
from datetime import date, datetime
from typing import Literal

from pydantic import SecretStr

from services.fetcher.errors import NetworkTrouble
from services.fetcher.ports import FetchedMail, Marked, Outline, Preview, Selected
from shared.domain.mailbox import Imap
from shared.sasl.values import Kind
from tests.simulation.book import Book

SIGN_IN_SECONDS = (0.1, 0.6)
GOOD_BYE_SECONDS = 0.05


class Network:
    """One fetcher's way to the mail servers."""

    def __init__(self, fetcher: str, book: Book, chance: random.Random) -> None:
        self._fetcher = fetcher
        self._book = book
        self._chance = chance
        self._open: set[Session] = set()
        self.cut = False

    async def connect(self, imap: Imap, login: str, secret: SecretStr, *, kind: Kind = Kind.BASIC) -> "Session":
        """Sign in. The port `Connect`."""
        await asyncio.sleep(self._chance.uniform(*SIGN_IN_SECONDS))
        if self.cut:
            raise NetworkTrouble("the process is dead")
        self._book.connected(login, imap.host, self._fetcher)
        session = Session(self, login, imap.host)
        self._open.add(session)
        return session

    def gone(self, session: "Session") -> None:
        """A connection has ended. Doing it again changes nothing."""
        if session in self._open:
            self._open.remove(session)
            self._book.left(session.mailbox, session.host)

    def kill(self) -> None:
        """The process is dead, and all its connections with it."""
        self.cut = True
        for session in tuple(self._open):
            self.gone(session)


class Session:
    """A connection to an empty mailbox. The port `ImapSession`."""

    capabilities = frozenset({"IDLE"})
    certificate_until: datetime | None = None
    impossible = 0

    def __init__(self, network: Network, mailbox: str, host: str) -> None:
        self._network = network
        self.mailbox = mailbox
        self.host = host

    async def select(self, folder: str) -> Selected:
        return Selected(uid_validity=1, exists=0, uid_next=1, read_only=False)

    async def search_above(self, uid: int) -> list[int]:
        return []

    async def search_all(self) -> list[int]:
        return []

    async def search_since(self, day: date) -> list[int]:
        return []

    async def search_unmarked(
        self, mark: Literal["seen", "flagged", "deleted"], before: date | None = None
    ) -> list[int]:
        return []

    async def present(self, uids: Sequence[int]) -> frozenset[int]:
        return frozenset()

    async def outlines(self, uids: Sequence[int]) -> list[Outline]:
        return []

    async def previews(self, uids: Sequence[int]) -> list[Preview]:
        return []

    async def fetch(self, uids: Sequence[int], size: int) -> list[FetchedMail]:
        return []

    async def fetch_start(self, uid: int, limit: int) -> FetchedMail | None:
        return None

    async def marks(self, uids: Sequence[int]) -> dict[int, Marked]:
        return {}

    async def idle(self, seconds: float, news: asyncio.Event | None = None) -> bool:
        if news is None:
            await asyncio.sleep(seconds)
            return False
        try:
            async with asyncio.timeout(seconds):
                await news.wait()
        except TimeoutError:
            pass
        return False

    async def noop(self) -> None: ...
    async def mark_seen(self, uids: Sequence[int]) -> None: ...
    async def flag(self, uids: Sequence[int]) -> None: ...
    async def move(self, uids: Sequence[int], folder: str) -> None: ...
    async def delete(self, uids: Sequence[int]) -> None: ...

    async def close(self) -> None:
        """It counts until the server has said good-bye."""
        try:
            await asyncio.sleep(GOOD_BYE_SECONDS)
        finally:
            self._network.gone(self)
