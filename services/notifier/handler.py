"""Takes created tickets and writes down what becomes of their acknowledgements. Sends nothing itself, so that the
queue never waits for a mail server.

Gather, decide, apply; every write is idempotent, under the ticket's id.
"""

from collections.abc import Callable, Set
from datetime import datetime, timedelta

import structlog

from services.notifier import decide
from services.notifier.ports import Clock, Configuration, OutboundMails, Sending, Tickets
from services.notifier.showing import show
from shared.domain.outbound import Outbound
from shared.domain.ticket import AcknowledgementState, Ticket
from shared.observability.crash_points import crash_point
from shared.observability.metrics import Metrics
from shared.observability.tracing import Tracing

log = structlog.get_logger(__name__)

_BATCH = 200


class Notifier:
    """The handler of ticket.created. `forgotten` is how old a ticket must be that nobody told of, to be found; `wake`
    is called when there is something to send."""

    def __init__(
        self,
        tickets: Tickets,
        outbound: OutboundMails,
        sending: Sending,
        configuration: Configuration,
        clock: Clock,
        metrics: Metrics,
        forgotten: timedelta,
        wake: Callable[[], None],
        tracing: Tracing | None = None,
    ) -> None:
        self._tickets = tickets
        self._outbound = outbound
        self._sending = sending
        self._configuration = configuration
        self._clock = clock
        self._metrics = metrics
        self._forgotten = forgotten
        self._wake = wake
        self._tracing = tracing

    async def take(self, wanted: Set[str]) -> frozenset[str]:
        """Decide on each ticket's acknowledgement, by ticket_id, and write it down; returns those that are not there.

        Raises StoreUnavailable.
        """
        tickets = await self._tickets.get_many(wanted)
        since = await self._sending.now()
        decided = [await self._decided(one, since) for one in tickets.values()]
        written = await self._outbound.insert_many(decided)
        crash_point("notifier.after_taken")
        await show(written, self._outbound, self._tickets)
        for one in written:
            self._say(one)
        if any(one.state is AcknowledgementState.PENDING for one in written):
            self._wake()
        return frozenset(wanted - tickets.keys())

    async def find_forgotten(self) -> None:
        """Take the tickets whose news never came: the broker lost it, or somebody removed the queue's binding.

        Raises StoreUnavailable.
        """
        found = await self._tickets.unanswered(self._clock.now() - self._forgotten, _BATCH)
        if found:
            log.warning("tickets_without_news", tickets=len(found))
            await self.take(frozenset(found))

    async def _decided(self, ticket: Ticket, since: datetime) -> Outbound:
        mailbox = await self._configuration.mailbox(ticket.mailbox)
        now = self._clock.now()
        facts = decide.Facts(self._configuration.snapshot.own_addresses, now)
        owed = decide.outbound(ticket, decide.decide(ticket, mailbox, facts), since, now)
        if self._tracing is None:
            return owed
        return owed.model_copy(update={"traceparent": self._tracing.here(ticket.origin_mail_id).traceparent})

    def _say(self, mail: Outbound) -> None:
        state, code = mail.state, mail.status.code
        self._metrics.acknowledgements.labels(state.value, code).inc()
        suppressed = state is AcknowledgementState.SUPPRESSED
        label = "acknowledgement_suppressed" if suppressed else "acknowledgement_pending"
        log.info(label, ticket_id=mail.ticket_id, mail_id=mail.mail_id, mailbox=mail.mailbox, reason=code)
