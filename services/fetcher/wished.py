"""What people want of one mailbox, as the follower last told, and how it was fulfilled. One for each watch.

News may be older than what was done meanwhile: what is fulfilled here is not taken up again.
"""

import asyncio
import contextlib
from collections.abc import Callable

from services.fetcher.ports import Clock, WishStore
from shared.domain.mailbox_runtime import Lease
from shared.domain.wishes import Reading, Wishes
from shared.observability.crash_points import crash_point


class Wished:
    """The open wishes for a mailbox. `news` is set when there is another one; whoever waits for mail looks then."""

    def __init__(self, wishes: WishStore, mailbox: str, lease: Callable[[], Lease], clock: Clock) -> None:
        self.news = asyncio.Event()
        self.reading: Reading | None = None
        self._wishes = wishes
        self._mailbox = mailbox
        self._lease = lease
        self._clock = clock
        self._read = 0

    def tell(self, wishes: Wishes) -> None:
        """What the store says. The same thing twice is no news."""
        wish = wishes.reading
        if wish is not None and wish.is_open and wish.number > self._read and wish != self.reading:
            self.reading = wish
            self.news.set()

    async def pause(self, seconds: float) -> None:
        """Wait so long, or until there is news."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self.news.wait()
        self.news.clear()

    async def was_read(self, wish: Reading, failure: str = "") -> None:
        """The mailbox was read since that wish, or was tried and could not be. Raises StoreUnavailable."""
        ended = wish.model_copy(update={"ended_at": self._clock.now(), "failure": failure})
        await self._wishes.end_reading(self._mailbox, self._lease(), ended)
        crash_point("fetcher.after_reading")
        self._read = wish.number
        self.reading = None
