"""Renews the leases of all mailboxes of this process together: those that are asked for within a moment go as one.

A thousand mailboxes at rest ask for nothing else, each every few seconds. Who is cancelled meanwhile keeps nobody else
from theirs.
"""

import asyncio
from collections.abc import Mapping
from datetime import timedelta

from services.fetcher.ports import Runtime
from shared.domain.mailbox_runtime import Lease
from shared.observability.crash_points import crash_point

MOMENT_SECONDS = 0.25


class Renewals:
    """One for all watches, which all hold their leases for `ttl`."""

    def __init__(self, runtime: Runtime, ttl: timedelta) -> None:
        self._runtime = runtime
        self._ttl = ttl
        self._asked: dict[str, Lease] = {}
        self._next: asyncio.Task[dict[str, Lease]] | None = None

    async def renew(self, mailbox: str, lease: Lease) -> Lease | None:
        """The lease, prolonged; None if it was lost. Raises StoreUnavailable."""
        if self._next is None:
            self._asked = {}
            self._next = asyncio.create_task(self._go(self._asked))
            self._next.add_done_callback(_heard)
        self._asked[mailbox] = lease
        return (await asyncio.shield(self._next)).get(mailbox)

    async def _go(self, asked: Mapping[str, Lease]) -> dict[str, Lease]:
        await asyncio.sleep(MOMENT_SECONDS)
        self._next = None
        found = await self._runtime.renew_many(asked, self._ttl)
        crash_point("fetcher.after_renewal")
        return found


def _heard(task: "asyncio.Task[dict[str, Lease]]") -> None:
    """What it raised is for those who wait; there may be nobody any more."""
    if not task.cancelled():
        task.exception()
