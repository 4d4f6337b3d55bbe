"""How much of a backlog may be on the way to its end: about as much as the stages get through within a second.

The queues are first in, first out, and carry every mailbox's mail: whatever lies in them, a new mail waits for. So a
backlog waits on its mail server, where it delays nobody, and goes on as the stages get on; a stage that stands still
holds it up. A few new mails pass it, until so many are on the way that something must be wrong; where they alone fill
that second, a batch of a backlog goes every other second.

What is on the way the ledger tells: what is done, put off or quarantined is not. How much fits is found out
from how long it took the last ones. Remembered in this process only; several fetchers share by the same rule.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Protocol

from services.fetcher import decide

FIRST = 100
"""Mails of backlogs that may be on the way before anything is known of the stages."""
SAMPLE = 10
"""Mails of a batch that the ledger is asked about: it is the busiest part, and their neighbours fare the same."""
LOOK_SECONDS = (0.2, 1.0)
"""How soon the ledger is asked again while a backlog waits: when there should be room, but within these bounds."""

PATIENCE_SECONDS = 2.0
"""As long a backlog waits where new mail alone fills the belt: then a batch goes, or its turn might never come."""
PROMISE_SECONDS = 3.0
"""As long the room of mails is kept that have entered and do not come: their server is slow, or it is gone."""


class Ledger(Protocol):
    """The part of the ledger that is asked here."""

    async def on_the_way(self, mail_ids: Iterable[str]) -> frozenset[str]: ...


@dataclass(slots=True)
class _Burst:
    """So many mails that were published together, at that time (monotonic), when so many were on the way with them. A
    `sample` stands for all; `left` of it are on the way still. A backlog's time is `taken` once half have gone."""

    at: float
    mails: int
    among: int
    sample: int
    left: frozenset[str]
    few: bool
    taken: bool = False

    @property
    def there(self) -> int:
        """How many are on the way still."""
        return -(-self.mails * len(self.left) // self.sample)

    @property
    def is_half_gone(self) -> bool:
        return len(self.left) <= self.sample // 2


@dataclass(slots=True)
class TimedBelt:
    """The port `Belt` for all mailboxes of a process. A backlog delays other mail by `seconds`; `most` mails are on the
    way at most, a batch more or less."""

    ledger: Ledger
    monotonic: Callable[[], float]
    seconds: float = 1.0
    most: int = 2000
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    room: float = FIRST
    _bursts: list[_Burst] = field(default_factory=list[_Burst])
    _on_the_way: int = 0
    _promised: deque[tuple[float, int]] = field(default_factory=deque[tuple[float, int]])
    _looked_at: float = float("-inf")
    _looking: asyncio.Lock = field(default_factory=asyncio.Lock)
    _turns: tuple[asyncio.Lock, asyncio.Lock] = field(default_factory=lambda: (asyncio.Lock(), asyncio.Lock()))

    @property
    def batch(self) -> int:
        """Mails that go together: two such batches fit, so that the stages have one while the next one comes."""
        return max(1, int(self.room) // 2)

    async def enter(self, mails: int, *, few: bool) -> None:
        """Wait until so many more may go; mailboxes take turns. Raises StoreUnavailable."""
        least, most = LOOK_SECONDS
        pause = least
        async with self._turns[few]:
            since = self.monotonic()
            while self._over(mails, few) > 0:
                moved = await self._look()
                if (over := self._over(mails, few)) <= 0 or (not few and self._has_waited(mails, since)):
                    break
                soon = max(least, self.seconds * over / self.room)
                pause = min(most, soon if moved else max(soon, 2 * pause))
                await self.sleep(pause)
        self._promised.append((self.monotonic(), mails))

    def carries(self, mail_ids: Sequence[str], entered: int, *, few: bool) -> None:
        """Of as many as had entered, these are on the way now."""
        self._keep_promises(entered)
        if mail_ids:
            among = self._on_the_way + len(mail_ids)
            sample = mail_ids[:: -(-len(mail_ids) // SAMPLE)]
            burst = _Burst(self.monotonic(), len(mail_ids), among, len(sample), frozenset(sample), few)
            self._bursts.append(burst)
            self._on_the_way = among

    def _over(self, mails: int, few: bool) -> float:
        """How many must leave before so many more may enter."""
        while self._promised and self.monotonic() - self._promised[0][0] > PROMISE_SECONDS:
            self._promised.popleft()
        there = self._on_the_way + sum(count for _, count in self._promised)
        return there - (self.most - 1 if few else self._backlogs(mails))

    def _has_waited(self, mails: int, since: float) -> bool:
        """Whether a backlog has waited long enough, for new mail alone, and there is room for any mail at all."""
        own = sum(one.there for one in self._bursts if not one.few) + sum(count for _, count in self._promised)
        waited = self.monotonic() - since >= PATIENCE_SECONDS
        return waited and own <= self._backlogs(mails) and self._over(mails, few=True) <= 0

    def _backlogs(self, mails: int) -> float:
        """How many may be on the way before as many more of a backlog enter."""
        return max(self.room - mails, self.room / 2)

    def _keep_promises(self, mails: int) -> None:
        while mails and self._promised:
            at, count = self._promised.popleft()
            if count > mails:
                self._promised.appendleft((at, count - mails))
            mails -= min(count, mails)

    async def _look(self) -> bool:
        """See what has left; whether anything had."""
        async with self._looking:
            asked = tuple(self._bursts)
            before = self._on_the_way
            there = await self.ledger.on_the_way(tuple(chain.from_iterable(one.left for one in asked)))
            now = self.monotonic()
            for one in asked:
                one.left &= there
                if one.is_half_gone and not (one.few or one.taken):
                    one.taken = True
                    shortest, longest = max(0.0, self._looked_at - one.at), now - one.at
                    self.room = decide.room(self.room, one.among, shortest, longest, self.seconds, self.most)
            self._bursts = [one for one in self._bursts if one.left]
            self._on_the_way = sum(one.there for one in self._bursts)
            self._looked_at = now
            return self._on_the_way < before
