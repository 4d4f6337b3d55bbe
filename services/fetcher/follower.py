"""Follows the configuration: starts, restarts and stops the watches of mailboxes, and shares them fairly.

Each live fetcher aims for an equal share; leases decide who has what, so that a mailbox has one reader at a time.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta

import structlog

from services.fetcher import decide
from services.fetcher.free import Free
from services.fetcher.ports import Clock, Runtime, WishStore
from services.fetcher.unread import Unread, why
from services.fetcher.watch import Watch
from shared.domain.errors import Transient
from shared.domain.mailbox import Mailbox
from shared.domain.mailbox_runtime import Lease
from shared.observability.crash_points import crash_point

log = structlog.get_logger(__name__)

STOP_SECONDS = 20.0
WISH_SECONDS = 1.0
"""How often the store is asked what people want now of the mailboxes that are read here."""
ALL_WISHES_SECONDS = 60.0
"""How often it is asked for every wish: one that an older version wrote is not marked as open."""


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
        free: Free,
        take_max: int,
        start: Callable[[Mailbox, Lease, float], Watch],
    ) -> None:
        self._id = fetcher_id
        self._runtime = runtime
        self._wishes = wishes
        self._clock = clock
        self._ttl = ttl
        self._free = free
        self._take_max = take_max
        self._start = start
        self._mailboxes: Mapping[str, Mailbox] = {}
        self._wanted: Mapping[str, Mailbox] = {}
        self._running: dict[str, _Running] = {}
        self._unread = Unread(runtime, clock.monotonic, clock.now)
        self._live: tuple[str, ...] = (fetcher_id,)
        self._announced_at = float("-inf")
        self._asked_at = float("-inf")
        self._asked_all_at = float("-inf")

    async def look(self, mailboxes: Mapping[str, Mailbox]) -> None:
        """Bring what runs in line with what is configured. `mailboxes` is never changed: another configuration is
        another mapping. Raises StoreUnavailable; running watches go on."""
        await self._announce()
        wanted = self._wanted_of(mailboxes)
        await self._stop_unwanted(wanted, mailboxes)
        await self._unread.look(mailboxes)
        await self._give_up_surplus(self._share(wanted))
        if len(self._running) < self._share(wanted):
            await self._take_more(wanted)
        await self._ask()

    async def stop(self) -> None:
        """Stop every watch, give the leases back, and say that this fetcher is gone. Never raises."""
        names = tuple(self._running)
        await self._end(*names)
        self._free.returned(names)
        try:
            await self._runtime.retire(self._id)
            crash_point("fetcher.after_retired")
        except Transient as error:
            log.warning("not_retired", error=error.line())

    @property
    def mailboxes(self) -> tuple[str, ...]:
        """The mailboxes this process reads now."""
        return tuple(sorted(self._running))

    def _wanted_of(self, mailboxes: Mapping[str, Mailbox]) -> Mapping[str, Mailbox]:
        """Worked out once for each snapshot: there may be thousands."""
        if mailboxes is not self._mailboxes:
            self._mailboxes = mailboxes
            self._wanted = {name: mailbox for name, mailbox in mailboxes.items() if mailbox.active}
        return self._wanted

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
        if not self._running or now - self._asked_at < WISH_SECONDS:
            return
        self._asked_at = now
        every = now - self._asked_all_at >= ALL_WISHES_SECONDS
        found = await (self._wishes.of_many(self._running) if every else self._wishes.open())
        self._asked_all_at = now if every else self._asked_all_at
        for name, wishes in found.items():
            if name in self._running:
                self._running[name].watch.wished.tell(wishes)

    async def _stop_unwanted(self, wanted: Mapping[str, Mailbox], known: Mapping[str, Mailbox]) -> None:
        ended = [name for name, running in self._running.items() if running.task.done()]
        unwanted = {name: self._running[name].watch for name in self._running if name not in wanted}
        changed = [
            name for name in self._running if name in wanted and wanted[name] != self._running[name].watch.mailbox
        ]
        mine = {*ended, *changed[: self._take_max]}
        await self._end(*{*mine, *unwanted})
        self._free.returned(mine)
        for name, watch in unwanted.items():
            await watch.report.stopped(*why(known.get(name)))
        for name in changed[: self._take_max]:
            log.info("mailbox_changed", mailbox=name, revision=wanted[name].revision)

    def _share(self, wanted: Mapping[str, Mailbox]) -> int:
        return decide.fair_share(len(wanted), self._live, self._id)

    async def _give_up_surplus(self, share: int) -> None:
        """Those held longest go: whoever was handed on a moment ago is left in peace."""
        surplus = tuple(self._running)[: max(0, len(self._running) - share)]
        await self._end(*surplus)
        for name in surplus:
            log.info("mailbox_shared", mailbox=name, share=share)

    async def _take_more(self, wanted: Mapping[str, Mailbox]) -> None:
        """A part of what is missing, by the newest count of fetchers: many may be starting at this moment."""
        self._live = await self._runtime.live_fetchers() or (self._id,)
        most = min(self._take_max, self._share(wanted) - len(self._running))
        if most <= 0:
            return
        asked_at = self._clock.monotonic()
        for name, lease in (await self._free.take(wanted, self._running, self._live, most)).items():
            self._begin(wanted[name], lease, asked_at)

    def _begin(self, mailbox: Mailbox, lease: Lease, asked_at: float) -> None:
        watch = self._start(mailbox, lease, asked_at)
        self._running[mailbox.name] = _Running(watch, asyncio.create_task(watch.run(), name=mailbox.name))

    async def _end(self, *names: str) -> None:
        """Stop these watches, all at the same time: one that is slow to stop holds up no other."""
        tasks = {self._running.pop(name).task for name in names}
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=STOP_SECONDS)
