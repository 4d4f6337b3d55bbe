"""The spans of acknowledgements, where tracing is on: taking the news of a ticket, and each try to send its answer."""

from collections.abc import Generator, Sequence
from contextlib import contextmanager

from services.notifier.hold import Hold
from shared.broker import topology
from shared.broker.client import Broker
from shared.broker.delivery import Delivery
from shared.broker.spans import received
from shared.contracts.events import TicketCreatedV1
from shared.domain.mailbox import Mailbox
from shared.domain.ticket import AcknowledgementState
from shared.domain.trace_context import parse
from shared.observability.tracing import Attributes, Tracing

_ENDED_WELL = frozenset({AcknowledgementState.SENT, AcknowledgementState.SUPPRESSED})


@contextmanager
def taking(
    tracing: Tracing | None, broker: Broker, news: Sequence[tuple[Delivery, TicketCreatedV1]]
) -> Generator[set[str]]:
    """News of tickets is taken, each a part of what its sender did. Is to be told the ids of unknown tickets."""
    unknown: set[str] = set()
    if tracing is None:
        yield unknown
        return
    spans = {
        event.ticket_id: received(
            tracing, broker.server, topology.NOTIFIER, delivery, event.mail_id, event.mailbox, "notifier"
        )
        for delivery, event in news
    }
    try:
        yield unknown
    finally:
        for ticket_id, span in spans.items():
            span.end(error="unknown_ticket" if ticket_id in unknown else "")


@contextmanager
def acknowledging(tracing: Tracing | None, mailbox: Mailbox | None, hold: Hold) -> Generator[None]:
    """One try to send an answer: a part of taking the news, however long that is ago."""
    mail = hold.mail
    if tracing is None or mail.mail_id is None:
        yield
        return
    attributes = {"mail_automator.mailbox": mail.mailbox, "mail_automator.attempts": mail.attempts, **_server(mailbox)}
    span = tracing.begin("call", "acknowledge", mail.mail_id, attributes, parent=parse(mail.traceparent))
    try:
        yield
    finally:
        status = hold.mail.status
        error = "" if status.state in _ENDED_WELL else status.code or "claim_lost"
        span.end({"mail_automator.outcome": status.state.value, "mail_automator.reason": status.code}, error)


def _server(mailbox: Mailbox | None) -> Attributes:
    smtp = mailbox.spec.smtp if mailbox else None
    return {"server.address": smtp.host, "server.port": smtp.port} if smtp else {}
