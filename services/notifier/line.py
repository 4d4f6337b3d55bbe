"""The line to one mailbox's SMTP server during a burst: opened when it is first needed, and what its trouble means.

Trouble at this point is the mailbox's: it is kept in the store, so that no replica hammers a server that refuses us
(accounts get locked), and it ends by itself when a try works or the mailbox is changed.
"""

import structlog

from services.notifier.ports import Session
from services.notifier.tools import ServerClock, Tools
from shared.domain.errors import AutomatorError, StoreUnavailable
from shared.domain.mailbox import Mailbox
from shared.domain.outbound import SendingStatus
from shared.observability.crash_points import crash_point

log = structlog.get_logger(__name__)


class Line:
    """At most one connection. `status` is how the mailbox's sending is; None if nobody ever had trouble with it."""

    def __init__(self, tools: Tools, clock: ServerClock, status: SendingStatus | None) -> None:
        self.status = status
        self._tools = tools
        self._clock = clock
        self._session: Session | None = None

    async def session(self, mailbox: Mailbox) -> Session | None:
        """A signed-in connection; None if there is trouble, or if it is not our turn to find out. Raises
        StoreUnavailable."""
        if self._session is None or not self._session.usable:
            await self.close()
            self._session = await self._opened(mailbox) if await self._may_try(mailbox) else None
        return self._session

    async def close(self) -> None:
        """Hang up in order."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def _opened(self, mailbox: Mailbox) -> Session | None:
        try:
            session = await self._tools.access.open(mailbox)
        except StoreUnavailable:
            raise
        except AutomatorError as error:
            await self._troubled(mailbox, error)
            return None
        await self._well(mailbox)
        return session

    async def _may_try(self, mailbox: Mailbox) -> bool:
        """A mailbox in trouble is tried by one process at a time, when its time has come."""
        status, now = self.status, self._clock.now()
        if status is None or status.up:
            return True
        if status.forbids(mailbox.revision, now):
            return False
        ours = await self._tools.sending.begin(status, now + self._tools.waits.of_trial(status))
        crash_point("notifier.after_trial")
        return ours

    async def _troubled(self, mailbox: Mailbox, error: AutomatorError) -> None:
        before, now = self._known(mailbox), self._clock.now()
        failures = before.failures if before else 0
        self.status = SendingStatus(
            mailbox=mailbox.name,
            up=False,
            code=error.code,
            sentence=error.line(),
            failures=failures + 1,
            revision=mailbox.revision,
            since=before.since if before else now,
            retry_at=now + self._tools.waits.of_mailbox(error, failures),
        )
        metrics = self._tools.metrics
        metrics.smtp_up.labels(mailbox.name).set(0)
        metrics.smtp_failures.labels(mailbox.name, error.code).inc()
        if before is None or before.code != error.code:
            log.warning("sending_troubled", mailbox=mailbox.name, code=error.code, error=error.line())
        await self._tools.sending.save(self.status)
        crash_point("notifier.after_trouble")

    async def _well(self, mailbox: Mailbox) -> None:
        self._tools.metrics.smtp_up.labels(mailbox.name).set(1)
        if self.status is not None and not self.status.up:
            now = self._clock.now()
            self.status = SendingStatus(
                mailbox=mailbox.name, up=True, revision=mailbox.revision, since=now, retry_at=now
            )
            await self._tools.sending.save(self.status)
            crash_point("notifier.after_trouble_ended")
            log.info("sending_recovered", mailbox=mailbox.name)

    def _known(self, mailbox: Mailbox) -> SendingStatus | None:
        """The trouble that there was already, with the mailbox as it is."""
        status = self.status
        return status if status is not None and not status.up and status.revision == mailbox.revision else None
