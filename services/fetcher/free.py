"""Finds mailboxes that nobody reads, and takes their leases: many in a few round trips.

All leases are read only when fetchers or mailboxes have come or gone, when nothing is known to be free, or after some
seconds; with ten thousand mailboxes and fifty fetchers it would be most of what the store does. In between a few are
asked for by name: those that were free then, and those whose holder is gone. Each fetcher begins at another place among
them, so that those that start together do not all want the same ones.
"""

from collections import deque
from collections.abc import Collection, Iterable, Sequence
from datetime import timedelta

from services.fetcher.ports import Clock, Runtime
from shared.domain.mailbox_runtime import NOBODY, Lease
from shared.observability.crash_points import crash_point

ASKED = 100
"""How many leases are asked for at once."""
LONGEST_PAUSE_SECONDS = 10.0
"""After how long all leases are read again while something is missing. Where nothing is free, after a second at first,
then twice as long each time."""


class Free:
    """What one fetcher knows of mailboxes that it may take."""

    def __init__(self, fetcher_id: str, runtime: Runtime, clock: Clock, ttl: timedelta) -> None:
        self._id = fetcher_id
        self._runtime = runtime
        self._clock = clock
        self._ttl = ttl
        self._queue: deque[str] = deque()
        self._known: tuple[frozenset[str], Sequence[str]] = frozenset(), ()
        self._read_at = float("-inf")
        self._pause = 0.0

    def returned(self, mailboxes: Iterable[str]) -> None:
        """This fetcher held them until now: they are the first to ask for."""
        self._queue.extendleft(mailboxes)

    async def take(
        self, wanted: Collection[str], held: Collection[str], live: Sequence[str], most: int
    ) -> dict[str, Lease]:
        """Leases of up to `most` of the wanted mailboxes that are not held here. `live` are the fetchers, sorted.
        Raises StoreUnavailable; what was granted unheard then is asked for again."""
        await self._read_all(wanted, held, live)
        names = self._next(wanted, held)
        asked_at = self._clock.monotonic()
        try:
            found = await self._runtime.acquire_many(names, self._id, self._ttl, most) if names else None
        except BaseException:
            self.returned(names)
            raise
        crash_point("fetcher.after_lease")
        if found is None:
            return {}
        if self._clock.monotonic() - asked_at > self._ttl.total_seconds() / 3:
            # What the store granted may have run out meanwhile.
            self.returned(names)
            return {}
        self._settle(found.others, live)
        return found.granted

    def _settle(self, others: dict[str, Lease], live: Sequence[str]) -> None:
        """What somebody has who is gone runs out soon. What a fetcher took that lives tells that all have moved on."""
        self.returned(name for name, lease in others.items() if lease.holder in (NOBODY, self._id))
        self._queue.extend(name for name, lease in others.items() if lease.holder not in (NOBODY, self._id, *live))
        if any(lease.holder in live and lease.holder != self._id for lease in others.values()):
            self._queue.clear()

    async def _read_all(self, wanted: Collection[str], held: Collection[str], live: Sequence[str]) -> None:
        now, known = self._clock.monotonic(), (frozenset(wanted), live)
        if known != self._known:
            self._pause = 0.0
        elif now - self._read_at < (LONGEST_PAUSE_SECONDS if self._queue else self._pause):
            return
        leases = await self._runtime.leases()
        self._known, self._read_at = known, now
        holders = {name: leases[name].holder if name in leases else self._id for name in sorted(wanted)}
        nobodys = [name for name, holder in holders.items() if holder == self._id and name not in held]
        gone = [name for name, holder in holders.items() if holder not in (self._id, *live)]
        self._queue = deque([*self._from_own_place(nobodys, live), *self._from_own_place(gone, live)])
        self._pause = 0.0 if self._queue else min(max(1.0, 2 * self._pause), LONGEST_PAUSE_SECONDS)

    def _from_own_place(self, names: list[str], live: Sequence[str]) -> list[str]:
        before = sum(1 for one in live if one < self._id)
        place = len(names) * before // max(1, len(live))
        return names[place:] + names[:place]

    def _next(self, wanted: Collection[str], held: Collection[str]) -> list[str]:
        found: dict[str, None] = {}
        while self._queue and len(found) < ASKED:
            name = self._queue.popleft()
            if name in wanted and name not in held:
                found[name] = None
        return list(found)
