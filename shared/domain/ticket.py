"""Tickets (incidents) and requests (service requests), told apart by `module`; and the events they owe the world."""

from datetime import datetime
from typing import Any

from shared.domain.decision import Classification
from shared.domain.email import Address, Attachment
from shared.domain.mailbox import Module
from shared.domain.value import Value


class OutboxEvent(Value):
    """An event that is owed: kept in the document it tells of, until it has been published.

    `event` is the whole CloudEvent (JSON object). `routing_key` is its key on the exchange `tickets`.
    """

    event_id: str
    type: str
    routing_key: str
    event: dict[str, Any]


class Article(Value):
    """One mail of a ticket's conversation."""

    mail_id: str
    message_id: str | None
    sender: Address | None
    text: str
    html: str | None
    attachments: tuple[Attachment, ...]
    received_at: datetime


class Ticket(Value):
    """A ticket or request. `ticket_id` is derived from `origin_mail_id`, `number` is for people (`INC-000042`)."""

    ticket_id: str
    number: str
    module: Module
    mailbox: str
    origin_mail_id: str
    subject: str
    requester: Address | None
    classification: Classification
    articles: tuple[Article, ...]
    duplicates: tuple[str, ...] = ()
    created_at: datetime
    received_at: datetime
    flags: tuple[str, ...] = ()
    outbox: tuple[OutboxEvent, ...] = ()
