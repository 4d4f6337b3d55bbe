"""Keeps order among acknowledgements: renews what this process holds, ends claims of processes that were killed, lets
tickets show what they do not show yet, and measures. Every move is a compare-and-set; any number of replicas may do it.
"""

from datetime import datetime

import structlog

from services.notifier.lanes import Lanes
from services.notifier.showing import show
from services.notifier.tools import Tools
from shared.domain.budgets import Scope
from shared.domain.outbound import Outbound
from shared.domain.ticket import Acknowledgement, AcknowledgementState
from shared.observability.crash_points import crash_point

log = structlog.get_logger(__name__)

_BATCH = 200
PENDING, UNKNOWN = AcknowledgementState.PENDING, AcknowledgementState.UNKNOWN


class Keeper:
    """The moves of the keeper; `app` calls each on its schedule. They raise StoreUnavailable."""

    def __init__(self, tools: Tools, lanes: Lanes) -> None:
        self._tools = tools
        self._lanes = lanes

    async def renew(self) -> None:
        """Say that this process is alive, for each acknowledgement that it holds."""
        for mail in self._lanes.held:
            await self._tools.outbound.renew(mail, self._tools.ttl)
            crash_point("notifier.after_renewal")

    async def recover(self) -> None:
        """What a killed process had not begun to send waits again; what it may have sent is unknown."""
        for mail in await self._tools.outbound.expired(_BATCH):
            status = _end(mail, await self._tools.sending.now())
            taken_back = await self._tools.outbound.take_back(mail, status)
            crash_point("notifier.after_recovery")
            if taken_back:
                self._tools.metrics.acknowledgements.labels(status.state.value, status.code).inc()
                log.warning("acknowledgement_recovered", ticket_id=mail.ticket_id, state=status.state.value)

    async def show(self) -> None:
        """Let tickets show what they may not show yet."""
        mails = await self._tools.outbound.to_show(_BATCH)
        if mails:
            await show(mails, self._tools.outbound, self._tools.tickets)

    async def count(self) -> None:
        """Show as metrics how many are in each state: it looks at every one that there is."""
        counts = await self._tools.outbound.count_by_state()
        for state in AcknowledgementState:
            self._tools.metrics.acknowledgements_now.labels(state.value).set(counts.get(state.value, 0))

    async def measure(self) -> None:
        """Show age and breakers as metrics, and forget counters that decide nothing any more."""
        tools, now = self._tools, await self._tools.sending.now()
        oldest = await tools.outbound.oldest_pending()
        tools.metrics.acknowledgements_oldest.set(max(0.0, (now - oldest).total_seconds()) if oldest else 0)
        spent = await tools.counts.spent(now)
        for scope in (Scope.DOMAIN, Scope.GLOBAL):
            tools.metrics.acknowledgement_breaker.labels(scope.value).set(int(scope in spent))
        known, statuses = tools.configuration.snapshot.mailboxes, await tools.sending.all()
        tools.metrics.smtp_up.show({(name,): int(one.up) for name, one in statuses.items() if name in known})
        await tools.counts.forget(now)
        crash_point("notifier.after_forgetting")


def _end(mail: Outbound, at: datetime) -> Acknowledgement:
    if mail.state is AcknowledgementState.DATA_STARTED:
        state, sentence = UNKNOWN, "Its service ended before the server said whether it took it."
    else:
        state, sentence = PENDING, "Its service ended before it was sent."
    return Acknowledgement(state=state, code="service_killed", sentence=sentence, at=at)
