"""Keeps the lease on a mailbox while it is read: renewed at a third of its time, given up before it can
run out."""

import asyncio
import contextlib
from datetime import timedelta

from services.fetcher.errors import LeaseLost
from services.fetcher.ports import Clock, Runtime
from services.fetcher.renewals import Renewals
from shared.domain.errors import Transient
from shared.domain.mailbox_runtime import Lease
from shared.observability.crash_points import crash_point

TRIES = 15
"""A renewal that failed is tried again after this part of the lease's time: one hiccup of the store costs no lease."""


class LeaseKeeper:
    """Holds a lease that was asked for at `asked_at` (monotonic): before the store granted it, so that its time ends
    here first. `lease` is the newest renewal; its token fences cursor writes."""

    def __init__(
        self,
        runtime: Runtime,
        renewals: Renewals,
        clock: Clock,
        mailbox: str,
        lease: Lease,
        ttl: timedelta,
        asked_at: float,
    ) -> None:
        self._runtime = runtime
        self._renewals = renewals
        self._clock = clock
        self._mailbox = mailbox
        self._ttl = ttl.total_seconds()
        self.lease = lease
        self._granted(asked_at)

    async def keep(self) -> None:
        """Renew for ever. Raises LeaseLost when somebody else has it, or two thirds of its time passed unrenewed."""
        while True:
            await asyncio.sleep(max(0.0, min(self._due, self._deadline) - self._clock.monotonic()))
            await self._renew()

    async def _renew(self) -> None:
        asked_at = self._clock.monotonic()
        try:
            async with asyncio.timeout(max(0.1, self._deadline - asked_at)):
                renewed = await self._renewals.renew(self._mailbox, self.lease)
        except (Transient, TimeoutError):
            if (now := self._clock.monotonic()) < self._deadline:
                self._due = now + self._ttl / TRIES
                return
            renewed = None
        if renewed is None:
            raise LeaseLost("the lease is lost", where=f"mailbox {self._mailbox}")
        self.lease = renewed
        self._granted(asked_at)

    def _granted(self, asked_at: float) -> None:
        self._due = asked_at + self._ttl / 3
        self._deadline = asked_at + self._ttl * 2 / 3

    async def release(self) -> None:
        """Give it back, so that another fetcher need not wait for it to run out. Never raises."""
        with contextlib.suppress(Transient, TimeoutError):
            async with asyncio.timeout(5):
                await self._runtime.release(self._mailbox, self.lease)
                crash_point("fetcher.after_release")
