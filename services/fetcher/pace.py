"""How many bytes a mailbox may have fetched within an hour: a flood in one mailbox must not fill the store.

What is over the budget waits on the server, in its order, and is fetched as the hour passes: nothing is lost.
Remembered from connection to connection, in this process only.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Protocol

from services.fetcher.ports import ImapSession

HOUR_SECONDS = 3600.0
NOOP_SECONDS = 60.0
"""How long a connection waits in silence; servers may end one after half an hour (RFC 9051, section 5.4)."""


class Paced(Protocol):
    """Told when a mailbox waits."""

    async def paced(self, seconds: float) -> None:
        """The mailbox has had its bytes of the hour; more is fetched in so many seconds, or (0) now."""
        ...


async def awake(session: ImapSession, waiting: Coroutine[object, object, None]) -> None:
    """Wait for that, and say something to the server now and then. Raises what it raises, and the session's errors."""
    task = asyncio.ensure_future(waiting)
    try:
        while not (await asyncio.wait({task}, timeout=NOOP_SECONDS))[0]:
            await session.noop()
        task.result()
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@dataclass(slots=True)
class Pace:
    """The bytes fetched within the last hour. `most` may be passed by one batch."""

    most: int
    taken: deque[tuple[float, int]] = field(default_factory=deque[tuple[float, int]])
    within_hour: int = 0

    async def keep(self, session: ImapSession, size: int, monotonic: Callable[[], float], report: Paced) -> None:
        """Wait until so many bytes may be fetched, and count them. Raises the session's errors."""
        waited = False
        while (seconds := self.wait(monotonic())) > 0:
            if not waited:
                await report.paced(seconds)
            waited = True
            await asyncio.sleep(min(seconds, NOOP_SECONDS))
            await session.noop()
        if waited:
            await report.paced(0)
        self.spend(size, monotonic())

    def wait(self, now: float) -> float:
        """Seconds (monotonic `now`) until more may be fetched; 0 if it may be at once."""
        while self.taken and now - self.taken[0][0] >= HOUR_SECONDS:
            self.within_hour -= self.taken.popleft()[1]
        if self.within_hour < self.most:
            return 0.0
        left = self.within_hour - self.most
        for at, size in self.taken:
            left -= size
            if left < 0:
                return at + HOUR_SECONDS - now
        return 0.0

    def spend(self, size: int, now: float) -> None:
        """So many bytes are fetched now."""
        self.taken.append((now, size))
        self.within_hour += size
