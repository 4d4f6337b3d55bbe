"""Who sends when: one lane per SMTP server, so that a server that keeps us waiting holds up only itself."""

import asyncio
from collections.abc import Mapping, Sequence

import structlog

from services.notifier.delivery import Delivery
from services.notifier.tools import ServerClock, Tools
from shared.domain.mailbox import Mailbox
from shared.domain.outbound import Outbound, SendingStatus

log = structlog.get_logger(__name__)

Server = tuple[str, int]
_NOWHERE: Server = ("", 0)
"""The lane of mailboxes that are gone: what they owe only has to be written off."""


class Lanes:
    """The lanes of this process. At most one connection per server."""

    def __init__(self, tools: Tools, burst: int, draining: asyncio.Event) -> None:
        self._tools = tools
        self._burst = burst
        self._draining = draining
        self._running: dict[Server, asyncio.Task[None]] = {}
        self._names: dict[Server, frozenset[str]] = {}
        self._deliveries: set[Delivery] = set()
        self.wake = asyncio.Event()

    @property
    def held(self) -> tuple[Outbound, ...]:
        """What this process has claimed at this moment."""
        return tuple(one.hold.mail for one in self._deliveries if one.hold is not None)

    async def look(self) -> None:
        """Start a lane for every idle server that has something due. Raises StoreUnavailable.

        Servers that are busy, and mailboxes that are in trouble, are left out of the question: however much they owe,
        it cannot hide what others do.
        """
        clock = ServerClock(await self._tools.sending.now(), self._tools.clock)
        statuses = await self._tools.sending.all()
        while not self._draining.is_set():
            due = await self._tools.outbound.due(self._burst, sorted(self._left_out(statuses, clock)))
            by_server: dict[Server, list[Outbound]] = {}
            for mail in due:
                by_server.setdefault(self._server(mail.mailbox), []).append(mail)
            idle = {server: mails for server, mails in by_server.items() if server not in self._running}
            for server, mails in idle.items():
                self._start(server, mails, clock, statuses)
            if not idle or len(due) < self._burst:
                return

    async def drain(self, seconds: float) -> None:
        """Let what is being sent come to its end, for so long; what is not at its end then is let go of honestly."""
        running = list(self._running.values())
        if running:
            _, late = await asyncio.wait(running, timeout=seconds)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    def _left_out(self, statuses: Mapping[str, SendingStatus], clock: ServerClock) -> frozenset[str]:
        mailboxes, now = self._tools.configuration.snapshot.mailboxes, clock.now()
        busy = {name for name in mailboxes if self._server(name) in self._running}
        running = {name for names in self._names.values() for name in names}
        troubled = {
            name
            for name, status in statuses.items()
            if (mailbox := mailboxes.get(name)) is not None and status.forbids(mailbox.revision, now)
        }
        return frozenset(busy | running | troubled)

    def _server(self, mailbox: str) -> Server:
        found = self._tools.configuration.snapshot.mailboxes.get(mailbox)
        return _server_of(found) if found is not None else _NOWHERE

    def _start(
        self, server: Server, mails: Sequence[Outbound], clock: ServerClock, statuses: Mapping[str, SendingStatus]
    ) -> None:
        self._names[server] = frozenset(one.mailbox for one in mails)
        task = asyncio.create_task(self._work(mails, clock, statuses))
        self._running[server] = task
        task.add_done_callback(lambda done: self._ended(server, done))

    async def _work(self, mails: Sequence[Outbound], clock: ServerClock, statuses: Mapping[str, SendingStatus]) -> None:
        """One mailbox after the other, so that there is one connection at a time."""
        for name in dict.fromkeys(one.mailbox for one in mails):
            delivery = Delivery(self._tools, name, clock, statuses.get(name))
            self._deliveries.add(delivery)
            try:
                await delivery.run([one for one in mails if one.mailbox == name], self._draining)
            finally:
                self._deliveries.discard(delivery)

    def _ended(self, server: Server, task: asyncio.Task[None]) -> None:
        del self._running[server], self._names[server]
        self.wake.set()
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("lane_broken", server=server[0], error=type(error).__name__)


def _server_of(mailbox: Mailbox) -> Server:
    smtp = mailbox.spec.smtp
    return (smtp.host, smtp.port) if smtp is not None else _NOWHERE
