"""Keeps the lease on a mailbox while it is read: renewed at a third of its time, given up before it can run out."""

import asyncio
import contextlib
from datetime import timedelta

from services.fetcher.errors import LeaseLost
from services.fetcher.ports import Clock, Runtime
from shared.domain.errors import Transient
from shared.domain.mailbox_runtime import Lease
from shared.observability.crash_points import crash_point


class LeaseKeeper:
    """Holds a lease. `lease` is the newest renewal; its token fences cursor writes."""

    def __init__(self, runtime: Runtime, clock: Clock, mailbox: str, lease: Lease, ttl: timedelta) -> None:
        self._runtime = runtime
        self._clock = clock
        self._mailbox = mailbox
        self._ttl = ttl
        self.lease = lease
        self._deadline = clock.monotonic() + ttl.total_seconds() * 2 / 3

    async def keep(self) -> None:
        """Renew for ever. Raises LeaseLost when somebody else has it, or two thirds of its time passed unrenewed."""
        while True:
            await asyncio.sleep(self._ttl.total_seconds() / 3)
            await self._renew()

    async def _renew(self) -> None:
        asked_at = self._clock.monotonic()
        try:
            async with asyncio.timeout(max(0.1, self._deadline - asked_at)):
                renewed = await self._runtime.renew(self._mailbox, self.lease, self._ttl)
        except (Transient, TimeoutError):
            if self._clock.monotonic() < self._deadline:
                return
            renewed = None
        crash_point("fetcher.after_renewal")
        if renewed is None:
            raise LeaseLost("the lease is lost", where=f"mailbox {self._mailbox}")
        self.lease = renewed
        self._deadline = asked_at + self._ttl.total_seconds() * 2 / 3

    async def release(self) -> None:
        """Give it back, so that another fetcher need not wait for it to run out. Never raises."""
        with contextlib.suppress(Transient, TimeoutError):
            async with asyncio.timeout(5):
                await self._runtime.release(self._mailbox, self.lease)
                crash_point("fetcher.after_release")
