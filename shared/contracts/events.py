"""Events for other systems: CloudEvents 1.0, structured JSON, on the topic exchange `tickets`.

Ids are derived from the mail, so a repeated event has the same id: subscribers deduplicate on it.
Delivery is at-least-once; order is not promised. What subscribers may rely on stands in docs/subscribing.md; a change
other than an optional field at the end is a new version of the event, beside the old one.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Annotated, Any, Final, Generic, Literal, TypeVar

import orjson
from pydantic import BaseModel, ConfigDict, Field, SerializeAsAny, WithJsonSchema

from shared.contracts.codec import Envelope
from shared.domain.decision import Classification, Decision
from shared.domain.email import Address
from shared.domain.identity import event_id
from shared.domain.ledger import Failure, LedgerEntry
from shared.domain.mailbox import Module
from shared.domain.ticket import Article, ArticleKind, OutboxEvent, Ticket
from shared.domain.trace_context import TRACEPARENT

TICKET_CREATED = "io.mail-automator.ticket.created.v1"
TICKET_REPLIED = "io.mail-automator.ticket.replied.v1"
TICKET_DUPLICATE_COUNTED = "io.mail-automator.ticket.duplicate_counted.v1"
MAIL_REJECTED = "io.mail-automator.mail.rejected.v1"
MAIL_QUARANTINED = "io.mail-automator.mail.quarantined.v1"

CLOUD_EVENT_CONTENT_TYPE = "application/cloudevents+json"
DEFAULT_SOURCE = "/mail-automator"
TYPE_PREFIX: Final = "io.mail-automator."
REPLAYED: Final = "x-replayed"
"""The header of an event that somebody had sent again: its id and content are those of the first time."""


class EventData(BaseModel):
    """The `data` of an event. Frozen; a change other than an optional field at the end is a new version."""

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True, use_attribute_docstrings=True)

    mail_id: str
    """The mail that caused the event."""
    mailbox: str
    """Name of the mailbox: of the ticket where the event is about one, else of the mail."""


class TicketEventData(EventData):
    """What every event about a ticket says."""

    ticket_id: str
    """The ticket's key. It never changes."""
    number: str
    """The ticket's number for people, such as INC-000042."""
    module: Module
    """`ticket` for incidents, `request` for service requests."""


class TicketCreatedV1(TicketEventData):
    """A ticket or request was opened."""

    subject: str
    requester: Address | None
    """Who wrote the mail; null if it names no sender."""
    classification: Classification
    """Its place in the catalogue when it was opened; null where nothing was found."""
    attachments: int
    """How many the mail has. They are got through the API."""
    received_at: datetime
    """When the mail server got the mail."""
    created_at: datetime
    """When the ticket was opened."""


class TicketRepliedV1(TicketEventData):
    """A mail was appended to a ticket: a person's reply, or (`note`) a machine's report on a mail of ours."""

    sender: Address | None
    subject: str
    note: bool
    reopened: bool
    """The ticket was closed, and this reply opened it again."""
    attachments: int
    received_at: datetime
    replied_at: datetime
    """When the mail was appended."""


class TicketDuplicateCountedV1(TicketEventData):
    """A mail repeats one that a ticket was opened for, and was counted there."""

    received_at: datetime
    counted_at: datetime


class MailRejectedV1(EventData):
    """A mail made no ticket, and why."""

    reason: str
    """A stable word, also in the routing key."""
    sentence: str
    """The reason for people."""
    message_id: str | None
    """The mail's Message-ID header."""
    received_at: datetime
    decided_at: datetime


class MailQuarantinedV1(EventData):
    """A mail could not be dealt with and waits for somebody to look at it; it can be replayed."""

    stage: str
    """The part that could not deal with it."""
    reason: str
    """A stable word, also in the routing key."""
    message_id: str | None
    """The mail's Message-ID header."""
    received_at: datetime
    quarantined_at: datetime


D = TypeVar("D", bound=EventData)

_FORM: Final = "^00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$"
_TRACEPARENT: Final = {"type": "string", "title": "Traceparent", "pattern": _FORM}


def _absent(value: object) -> bool:
    return value is None


def _no_default(schema: dict[str, Any]) -> None:
    schema.pop("default", None)


_OPTIONAL: Final[Any] = Field(exclude_if=_absent, json_schema_extra=_no_default)
"""An attribute that is there or is not: CloudEvents knows no null."""


class CloudEvent(BaseModel, Generic[D]):
    """An event as it travels (CloudEvents 1.0, JSON format). `time` is when it happened, not when it was sent.

    `correlationid` is the mail that caused it, the same in our logs and traces. `dataschema` names the JSON Schema of
    `data`: a name, not an address. `traceparent` (W3C Trace Context) is the trace of that mail, where tracing is on; it
    is added when the event is sent.
    """

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True, json_schema_serialization_defaults_required=True)

    specversion: Literal["1.0"] = "1.0"
    id: str
    source: str
    type: str
    subject: str
    time: datetime
    datacontenttype: Literal["application/json"] = "application/json"
    dataschema: str
    correlationid: str
    data: SerializeAsAny[D]
    traceparent: Annotated[str | None, _OPTIONAL, WithJsonSchema(_TRACEPARENT)] = None


EVENTS: Mapping[str, type[EventData]] = {
    TICKET_CREATED: TicketCreatedV1,
    TICKET_REPLIED: TicketRepliedV1,
    TICKET_DUPLICATE_COUNTED: TicketDuplicateCountedV1,
    MAIL_REJECTED: MailRejectedV1,
    MAIL_QUARANTINED: MailQuarantinedV1,
}
"""Every event there is, with the form of its `data`."""


def short_name(kind: str) -> str:
    """The type without our prefix: `ticket.created.v1`. Names of files and schemas."""
    return kind.removeprefix(TYPE_PREFIX)


def schema_name(kind: str) -> str:
    """The stable name (a URN) of the JSON Schema of an event's `data`."""
    return f"urn:mail-automator:schema:{short_name(kind)}"


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
    ident = event_id(ticket.origin_mail_id, TICKET_CREATED)
    key = _ticket_key("created", ticket)
    return _outbox(TICKET_CREATED, ident, source, ticket.ticket_id, ticket.created_at, key, data)


def ticket_replied(
    ticket: Ticket, article: Article, at: datetime, *, reopened: bool, source: str = DEFAULT_SOURCE
) -> OutboxEvent:
    """The event that a reply owes. Routing key: `ticket.replied.<module>.<department>.<service>.<mailbox>`."""
    data = TicketRepliedV1(
        ticket_id=ticket.ticket_id,
        number=ticket.number,
        module=ticket.module,
        mailbox=ticket.mailbox,
        mail_id=article.mail_id,
        sender=article.sender,
        subject=article.subject,
        note=article.kind is ArticleKind.NOTE,
        reopened=reopened,
        attachments=len(article.attachments),
        received_at=article.received_at,
        replied_at=at,
    )
    ident = event_id(article.mail_id, TICKET_REPLIED)
    return _outbox(TICKET_REPLIED, ident, source, ticket.ticket_id, at, _ticket_key("replied", ticket), data)


def ticket_duplicate_counted(
    ticket: Ticket, mail_id: str, received_at: datetime, at: datetime, source: str = DEFAULT_SOURCE
) -> OutboxEvent:
    """The event of a counted duplicate. Key: `ticket.duplicate_counted.<module>.<department>.<service>.<mailbox>`."""
    data = TicketDuplicateCountedV1(
        ticket_id=ticket.ticket_id,
        number=ticket.number,
        module=ticket.module,
        mailbox=ticket.mailbox,
        mail_id=mail_id,
        received_at=received_at,
        counted_at=at,
    )
    ident = event_id(mail_id, TICKET_DUPLICATE_COUNTED)
    key = _ticket_key("duplicate_counted", ticket)
    return _outbox(TICKET_DUPLICATE_COUNTED, ident, source, ticket.ticket_id, at, key, data)


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


def mail_quarantined(entry: LedgerEntry, failure: Failure, source: str = DEFAULT_SOURCE) -> OutboxEvent:
    """The event that a quarantine owes, once per attempt to deal with the mail: a replay that fails again is news.
    Routing key: `mail.quarantined.<reason>.<mailbox>`."""
    data = MailQuarantinedV1(
        mail_id=entry.mail_id,
        mailbox=entry.origin.mailbox,
        stage=failure.stage,
        reason=failure.code,
        message_id=entry.headline.message_id,
        received_at=entry.origin.internal_date,
        quarantined_at=failure.at,
    )
    ident = event_id(f"{entry.mail_id}@{failure.at.isoformat()}", MAIL_QUARANTINED)
    key = f"mail.quarantined.{failure.code}.{entry.origin.mailbox}"
    return _outbox(MAIL_QUARANTINED, ident, source, entry.mail_id, failure.at, key, data)


def _ticket_key(fact: str, ticket: Ticket) -> str:
    place = ticket.classification
    return f"ticket.{fact}.{ticket.module}.{place.department or 'none'}.{place.service or 'none'}.{ticket.mailbox}"


def _outbox(kind: str, ident: str, source: str, subject: str, at: datetime, key: str, data: EventData) -> OutboxEvent:
    event = CloudEvent[EventData](
        id=ident,
        source=source,
        type=kind,
        subject=subject,
        time=at,
        dataschema=schema_name(kind),
        correlationid=data.mail_id,
        data=data,
    )
    return OutboxEvent(event_id=ident, type=kind, routing_key=key, event=event.model_dump(mode="json"))


def traced(whole: Envelope, traceparent: str) -> Envelope:
    """An event that names the trace of its mail (CloudEvents' extension for distributed tracing)."""
    content = orjson.loads(whole.body)
    return replace(whole, body=orjson.dumps({**content, TRACEPARENT: traceparent}))


def envelope(event: OutboxEvent) -> Envelope:
    """An owed event as the broker sends it: structured JSON, with id and type again in the headers for routing."""
    return Envelope(
        body=orjson.dumps(event.event),
        content_type=CLOUD_EVENT_CONTENT_TYPE,
        type=event.type,
        message_id=event.event_id,
        headers={"ce-id": event.event_id, "ce-type": event.type},
    )
