"""Keeps the promise when everything else failed: what fell off the belt goes back to its start, what is owed is sent.

Every move is idempotent and claimed by compare-and-set, so replicas do not get in each other's way.
"""

import random
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta

import structlog

from services.bookkeeper.accounts import Accounts
from services.bookkeeper.ports import Articles, Broker, Clock, DeadMessages, Ledger, Tickets
from services.bookkeeper.statistics import Counts
from services.bookkeeper.totals import Totals
from shared.broker.messages import Outgoing, owed
from shared.broker.topology import CLASSIFIER, FILTER, MAIL, QUEUES, TICKET_WRITER
from shared.contracts.codec import Envelope, encode
from shared.contracts.events import MAIL_REJECTED, mail_quarantined
from shared.contracts.messages import EmailFetched
from shared.domain.errors import BrokerUnavailable
from shared.domain.ledger import Failure, LedgerEntry
from shared.domain.mailbox import Mailbox
from shared.observability.crash_points import crash_point
from shared.observability.metrics import Metrics
from shared.runtime.consume.failures import MAX_ATTEMPTS, backoff
from shared.runtime.consume.tally import UNKNOWN_MAIL
from shared.runtime.outbox import send_owed
from shared.store.ledger_documents import OUTCOMES

log = structlog.get_logger(__name__)

KNOWN_MAIL = "known_mail"
_BELT = (FILTER, CLASSIFIER, TICKET_WRITER)


@dataclass(frozen=True, slots=True)
class Patience:
    """When a mail counts as stuck while the belt is empty (`stalled`) and whatever it carries (`lost`), when an event
    counts as owed too long (`outbox`), and how many of them are taken in one look (`batch`)."""

    stalled: timedelta
    lost: timedelta
    outbox: timedelta
    batch: int = 200


class Bookkeeper:
    """The moves of the bookkeeper; `app` calls each on its schedule."""

    def __init__(
        self,
        ledger: Ledger,
        tickets: Tickets,
        articles: Articles,
        dead_messages: DeadMessages,
        broker: Broker,
        clock: Clock,
        metrics: Metrics,
        patience: Patience,
        event_source: str,
        accounts: Accounts,
        totals: Totals,
        counts: Counts,
    ) -> None:
        self._totals = totals
        self._counts = counts
        self._accounts = accounts
        self._ledger = ledger
        self._tickets = tickets
        self._articles = articles
        self._dead_messages = dead_messages
        self._broker = broker
        self._clock = clock
        self._metrics = metrics
        self._patience = patience
        self._source = event_source
        for reason in (KNOWN_MAIL, UNKNOWN_MAIL):
            metrics.dead_letters.labels("bookkeeper", reason)  # shown as 0, so that the first one is an increase

    async def republish(self) -> None:
        """Put back what is due, or made no progress, always from the raw mail.

        While the belt still carries mail, a mail without progress is most likely just waiting on it: then only what
        has been without progress for very long is put back. What a mail owes is sent before it moves on: it owes
        nothing any more once it is done.
        """
        waiting = sum([await self._broker.depth(queue.name) for queue in _BELT])
        patience = self._patience.lost if waiting else self._patience.stalled
        now = self._clock.now()
        entries = await self._ledger.due(now, now - patience, self._patience.batch)
        claimed = [entry for entry in entries if await self._ledger.claim(entry, now)]
        if claimed:
            crash_point("bookkeeper.after_claims")
        await send_owed(self._ledger, self._broker, [entry.mail_id for entry in claimed])
        await self._broker.publish_all([Outgoing(MAIL, EmailFetched.TYPE, encode(_again(entry))) for entry in claimed])
        if claimed:
            crash_point("bookkeeper.after_republish")
        for entry in claimed:
            reason = "due" if entry.next_attempt_at else "stalled"
            self._metrics.republished.labels(reason).inc()
            log.info("republished", mail_id=entry.mail_id, mailbox=entry.origin.mailbox, reason=reason)

    async def relay(self) -> None:
        """Publish events that are owed for longer than a healthy stage needs.

        A rejection is final with its event. A duplicate is not: its ticket writer may not have counted it yet.
        """
        before = self._clock.now() - self._patience.outbox
        of_tickets = await self._tickets.pending_outbox(before, self._patience.batch)
        of_articles = await self._articles.pending_outbox(before, self._patience.batch)
        of_mails = await self._ledger.pending_outbox(before, self._patience.batch)
        pending = (*of_tickets, *of_articles, *of_mails)
        self._metrics.outbox_pending.set(len(pending))
        await self._broker.publish_all([owed(event) for _, event in pending])
        if pending:
            crash_point("bookkeeper.after_relay")
        if of_tickets:
            await self._tickets.mark_published([ticket_id for ticket_id, _ in of_tickets])
            crash_point("bookkeeper.after_tickets_relayed")
        if of_articles:
            await self._articles.mark_published([mail_id for mail_id, _ in of_articles])
            crash_point("bookkeeper.after_articles_relayed")
        if final := [mail_id for mail_id, event in of_mails if event.type == MAIL_REJECTED]:
            await self._ledger.mark_done(final)
            crash_point("bookkeeper.after_rejections_relayed")
        if others := [mail_id for mail_id, event in of_mails if event.type != MAIL_REJECTED]:
            await self._ledger.mark_published(others)
            crash_point("bookkeeper.after_mails_relayed")
        if pending:
            log.info("relayed", tickets=len(of_tickets), articles=len(of_articles), mails=len(of_mails))

    async def measure(self) -> None:
        """Keep the books, and show them as metrics: every outcome of every mailbox, 0 too, so that none goes stale."""
        unaccounted = await self._accounts.look()
        total = await self._totals.look()
        await self._counts.books(total, unaccounted)
        counts = total.ever
        self._metrics.books.show(
            {
                (mailbox, outcome): count
                for mailbox in {*counts, *unaccounted}
                for outcome, count in _row(counts.get(mailbox, {}), unaccounted.get(mailbox, 0)).items()
            }
        )
        oldest = await self._ledger.oldest_in_flight()
        age = (self._clock.now() - oldest.stored_at).total_seconds() if oldest else 0
        self._metrics.unfinished_oldest.set(max(0.0, age))
        if lost := sum(unaccounted.values()):
            log.error("unaccounted", mails=lost, remedy="mail-automator audit names each one")

    async def check(self) -> None:
        """Go on with the mails that may be unaccounted for; `measure` begins each round, and shows what was found."""
        await self._accounts.go_on()

    async def queues(self) -> None:
        """Show how full the queues are, and that somebody listens. Nothing is shown that the broker does not say."""
        try:
            found = {queue.name: await self._broker.fill(queue.name) for queue in QUEUES}
        except BrokerUnavailable:
            self._metrics.queue_messages.clear()
            self._metrics.queue_consumers.clear()
            raise
        for name, fill in found.items():
            self._metrics.queue_messages.labels(name).set(fill.messages)
            self._metrics.queue_consumers.labels(name).set(fill.consumers)

    def mailboxes(self, configured: Iterable[Mailbox]) -> None:
        """Show which mailboxes are to be read."""
        self._metrics.mailbox_active.show({(one.name,): float(one.active) for one in configured})

    async def bury(self, envelope: Envelope) -> None:
        """Take a dead letter: its mail is tried again later or quarantined; one without a mail is kept as it is."""
        headers: Mapping[str, str | int | bool] = envelope.headers
        mail_id = str(headers.get("mail_id", ""))
        entry = await self._ledger.get(mail_id) if mail_id else None
        self._metrics.dead_letters.labels("bookkeeper", KNOWN_MAIL if entry else UNKNOWN_MAIL).inc()
        if entry is None:
            await self._dead_messages.record(
                {"type": envelope.type[:200], "message_id": envelope.message_id[:200], "size": len(envelope.body)}
            )
            crash_point("bookkeeper.after_dead_message")
            log.error("dead_letter_without_mail", type=envelope.type[:60])
            return
        now = self._clock.now()
        failure = Failure(stage="broker", code="dead_lettered", what="the broker gave this message up", at=now)
        if entry.attempts + 1 >= MAX_ATTEMPTS:
            await self._ledger.quarantine(mail_id, failure, mail_quarantined(entry, failure, self._source))
            crash_point("bookkeeper.after_quarantine")
            self._metrics.quarantined.labels("broker", failure.code).inc()
            await send_owed(self._ledger, self._broker, [mail_id])
        else:
            await self._ledger.defer(mail_id, failure, now + backoff(entry.attempts, random.random()))  # noqa: S311 - jitter
            crash_point("bookkeeper.after_failure")
        log.warning("dead_letter", mail_id=mail_id, attempts=entry.attempts + 1)


def _row(counts: Mapping[str, int], unaccounted: int) -> dict[str, int]:
    return {**dict.fromkeys(OUTCOMES, 0), **counts, "unaccounted": unaccounted}


def _again(entry: LedgerEntry) -> EmailFetched:
    return EmailFetched(
        mail_id=entry.mail_id,
        mailbox=entry.origin.mailbox,
        received_at=entry.origin.internal_date,
        fetched_at=entry.stored_at,
        size=entry.origin.size,
        decision_version=entry.version,
        imported=entry.origin.imported,
        overruling=entry.replay.overruling if entry.replay else None,
    )
