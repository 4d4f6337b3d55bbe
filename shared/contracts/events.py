"""Events for other systems: CloudEvents 1.0, structured JSON, on the topic exchange `tickets`.

Ids are derived from the mail, so a repeated event has the same id: subscribers deduplicate on it.
Delivery is at-least-once; order is not promised.
"""

from datetime import datetime
from typing import Any

import orjson
from pydantic import BaseModel, ConfigDict

from shared.contracts.codec import Envelope
from shared.domain.decision import Classification, Decision
from shared.domain.email import Address
from shared.domain.identity import event_id
from shared.domain.mailbox import Module
from shared.domain.ticket import OutboxEvent, Ticket

TICKET_CREATED = "io.mail-automator.ticket.created.v1"
MAIL_REJECTED = "io.mail-automator.mail.rejected.v1"
EVENTS = (TICKET_CREATED, MAIL_REJECTED)

CLOUD_EVENT_CONTENT_TYPE = "application/cloudevents+json"
DEFAULT_SOURCE = "/mail-automator"


class EventData(BaseModel):
    """The `data` of an event. Frozen; a change other than an optional field at the end is a new version."""

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)


class TicketCreatedV1(EventData):
    """A ticket or request was opened."""

    ticket_id: str
    number: str
    module: Module
    mailbox: str
    mail_id: str
    subject: str
    requester: Address | None
    classification: Classification
    attachments: int
    received_at: datetime
    created_at: datetime


class MailRejectedV1(EventData):
    """A mail made no ticket, and why."""

    mail_id: str
    mailbox: str
    reason: str
    sentence: str
    message_id: str | None
    received_at: datetime
    decided_at: datetime


def ticket_created(ticket: Ticket, source: str = DEFAULT_SOURCE) -> OutboxEvent:
    """The event that a ticket owes. Routing key: `ticket.created.<module>.<department>.<service>.<mailbox>`."""
    place = ticket.classification
    data = TicketCreatedV1(
        ticket_id=ticket.ticket_id,
        number=ticket.number,
        module=ticket.module,
        mailbox=ticket.mailbox,
        mail_id=ticket.origin_mail_id,
        subject=ticket.subject,
        requester=ticket.requester,
        classification=place,
        attachments=sum(len(article.attachments) for article in ticket.articles),
        received_at=ticket.received_at,
        created_at=ticket.created_at,
    )
    key = f"ticket.created.{ticket.module}.{place.department or 'none'}.{place.service or 'none'}.{ticket.mailbox}"
    ident = event_id(ticket.origin_mail_id, TICKET_CREATED)
    return _outbox(TICKET_CREATED, ident, source, ticket.ticket_id, ticket.created_at, key, data)


def mail_rejected(
    mail_id: str,
    mailbox: str,
    message_id: str | None,
    received_at: datetime,
    decision: Decision,
    source: str = DEFAULT_SOURCE,
) -> OutboxEvent:
    """The event that a rejection owes. Routing key: `mail.rejected.<reason>.<mailbox>`."""
    data = MailRejectedV1(
        mail_id=mail_id,
        mailbox=mailbox,
        reason=decision.reason.value,
        sentence=decision.sentence,
        message_id=message_id,
        received_at=received_at,
        decided_at=decision.decided_at,
    )
    ident = event_id(mail_id, MAIL_REJECTED, decision.version)
    key = f"mail.rejected.{decision.reason.value}.{mailbox}"
    return _outbox(MAIL_REJECTED, ident, source, mail_id, decision.decided_at, key, data)


def _outbox(kind: str, ident: str, source: str, subject: str, at: datetime, key: str, data: EventData) -> OutboxEvent:
    event: dict[str, Any] = {
        "specversion": "1.0",
        "id": ident,
        "source": source,
        "type": kind,
        "subject": subject,
        "time": at.isoformat(),
        "datacontenttype": "application/json",
        "data": data.model_dump(mode="json"),
    }
    return OutboxEvent(event_id=ident, type=kind, routing_key=key, event=event)


def envelope(event: OutboxEvent) -> Envelope:
    """An owed event as the broker sends it: structured JSON, with id and type again in the headers for routing."""
    return Envelope(
        body=orjson.dumps(event.event),
        content_type=CLOUD_EVENT_CONTENT_TYPE,
        type=event.type,
        message_id=event.event_id,
        headers={"ce-id": event.event_id, "ce-type": event.type},
    )
