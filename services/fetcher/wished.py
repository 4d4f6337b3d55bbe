"""What people want of one mailbox, as the follower last told, and how it was fulfilled. One for each watch.

News may be older than what was done meanwhile: what is fulfilled here is not taken up again.
"""

import asyncio
import contextlib
from collections.abc import Callable

from services.fetcher.ports import Clock, WishStore
from shared.domain.mailbox_runtime import Lease
from shared.domain.wishes import OldMail, Reading, Wishes
from shared.observability.crash_points import crash_point


class Wished:
    """The open wishes for a mailbox. `news` is set when there is another one; whoever waits for mail looks then."""

    def __init__(self, wishes: WishStore, mailbox: str, lease: Callable[[], Lease], clock: Clock) -> None:
        self.news = asyncio.Event()
        self.reading: Reading | None = None
        self.old_mail: OldMail | None = None
        self._wishes = wishes
        self._mailbox = mailbox
        self._lease = lease
        self._clock = clock
        self._read = 0
        self._old = (0, False)

    def tell(self, wishes: Wishes) -> None:
        """What the store says. The same thing twice is no news."""
        reading, old = wishes.reading, wishes.old_mail
        if reading is not None and reading.is_open and reading.number > self._read and reading != self.reading:
            self.reading = reading
            self.news.set()
        if old is not None and old.is_open and _stage(old) > self._old and old != self.old_mail:
            self.old_mail = old
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
        await self._wishes.note(self._mailbox, self._lease(), ended)
        crash_point("fetcher.after_reading")
        self._read = wish.number
        self.reading = None

    async def counted(self, wish: OldMail, mails: int, place: str) -> None:
        """So many old mails are meant, under the UIDs of that place. Raises StoreUnavailable."""
        await self._wishes.note(self._mailbox, self._lease(), wish.model_copy(update={"count": mails, "place": place}))
        crash_point("fetcher.after_count")
        self._done(wish)

    async def taken(self, wish: OldMail, failure: str = "") -> None:
        """All of them are ours, or cannot be taken. Raises StoreUnavailable."""
        ended = wish.model_copy(update={"ended_at": self._clock.now(), "failure": failure})
        await self._wishes.note(self._mailbox, self._lease(), ended)
        crash_point("fetcher.after_old_mail")
        self._done(wish)

    def _done(self, wish: OldMail) -> None:
        self._old = _stage(wish)
        self.old_mail = None


def _stage(wish: OldMail) -> tuple[int, bool]:
    """Counting comes before taking."""
    return wish.number, wish.is_taking
