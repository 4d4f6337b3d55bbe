"""Follows the configuration: starts, restarts and stops the watches of mailboxes, and shares them fairly.

Each live fetcher aims for an equal share; leases decide who has what, so that a mailbox has one reader at a time.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta

import structlog

from services.fetcher import decide
from services.fetcher.ports import Clock, Runtime, WishStore
from services.fetcher.watch import Watch
from shared.domain.errors import Transient
from shared.domain.mailbox import Mailbox
from shared.domain.mailbox_runtime import Lease
from shared.observability.crash_points import crash_point

log = structlog.get_logger(__name__)

STOP_SECONDS = 20.0
WISH_SECONDS = 1.0
"""How often the store is asked what people want of the mailboxes that are read here."""


@dataclass(frozen=True, slots=True)
class _Running:
    """A watch and the task that runs it."""

    watch: Watch
    task: "asyncio.Task[None]"


class Follower:
    """Which mailboxes this process reads. Call `look` once a second or so, and `stop` at the end."""

    def __init__(
        self,
        fetcher_id: str,
        runtime: Runtime,
        wishes: WishStore,
        clock: Clock,
        ttl: timedelta,
        start: Callable[[Mailbox, Lease], Watch],
    ) -> None:
        self._id = fetcher_id
        self._runtime = runtime
        self._wishes = wishes
        self._clock = clock
        self._ttl = ttl
        self._start = start
        self._running: dict[str, _Running] = {}
        self._live: tuple[str, ...] = (fetcher_id,)
        self._announced_at = float("-inf")
        self._asked_at = float("-inf")

    async def look(self, mailboxes: Mapping[str, Mailbox]) -> None:
        """Bring what runs in line with what is configured. Raises StoreUnavailable; running watches go on."""
        await self._announce()
        wanted = {name: mailbox for name, mailbox in mailboxes.items() if mailbox.active}
        await self._stop_unwanted(wanted, mailboxes)
        share = decide.fair_share(len(wanted), len(self._live))
        surplus = sorted(self._running)[share:]
        await self._end(*surplus)
        for name in surplus:
            log.info("mailbox_shared", mailbox=name, share=share)
        if len(self._running) < share:
            await self._take_more(wanted, share)
        await self._ask()

    async def stop(self) -> None:
        """Stop every watch, give the leases back, and say that this fetcher is gone. Never raises."""
        await self._end(*tuple(self._running))
        try:
            await self._runtime.retire(self._id)
            crash_point("fetcher.after_retired")
        except Transient as error:
            log.warning("not_retired", error=error.line())

    @property
    def mailboxes(self) -> tuple[str, ...]:
        """The mailboxes this process reads now."""
        return tuple(sorted(self._running))

    async def _announce(self) -> None:
        now = self._clock.monotonic()
        if now - self._announced_at >= min(3.0, self._ttl.total_seconds() / 5):
            await self._runtime.announce(self._id, self._ttl / 2)
            crash_point("fetcher.after_announced")
            self._live = await self._runtime.live_fetchers() or (self._id,)
            self._announced_at = now

    async def _ask(self) -> None:
        """Tell each watch what people want of its mailbox."""
        now = self._clock.monotonic()
        if self._running and now - self._asked_at >= WISH_SECONDS:
            self._asked_at = now
            for name, wishes in (await self._wishes.of_many(self._running)).items():
                self._running[name].watch.wished.tell(wishes)

    async def _stop_unwanted(self, wanted: Mapping[str, Mailbox], known: Mapping[str, Mailbox]) -> None:
        ended = [name for name, running in self._running.items() if running.task.done()]
        unwanted = {name: self._running[name].watch for name in self._running if name not in wanted}
        changed = [
            name for name in self._running if name in wanted and wanted[name] != self._running[name].watch.mailbox
        ]
        await self._end(*{*ended, *unwanted, *changed})
        for name, watch in unwanted.items():
            await watch.report.stopped(*_why(known.get(name)))
        for name in changed:
            log.info("mailbox_changed", mailbox=name, revision=wanted[name].revision)

    async def _take_more(self, wanted: Mapping[str, Mailbox], share: int) -> None:
        free = sorted(set(wanted) - set(self._running))
        if not free:
            return
        leases = await self._runtime.leases()
        for name in free:
            held = leases.get(name)
            if len(self._running) >= share or (held is not None and held.holder != self._id):
                continue
            lease = await self._runtime.acquire(name, self._id, self._ttl)
            crash_point("fetcher.after_lease")
            if lease is not None:
                self._begin(wanted[name], lease)

    def _begin(self, mailbox: Mailbox, lease: Lease) -> None:
        watch = self._start(mailbox, lease)
        self._running[mailbox.name] = _Running(watch, asyncio.create_task(watch.run(), name=mailbox.name))

    async def _end(self, *names: str) -> None:
        """Stop these watches, all at the same time: one that is slow to stop holds up no other."""
        tasks = {self._running.pop(name).task for name in names}
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=STOP_SECONDS)


def _why(mailbox: Mailbox | None) -> tuple[str, str]:
    """Code and sentence of a stop."""
    if mailbox is None:
        return "deleted", "The mailbox has been deleted."
    if mailbox.paused:
        return "paused", "An operator has paused the mailbox."
    return "disabled", "The mailbox is disabled in its configuration."
