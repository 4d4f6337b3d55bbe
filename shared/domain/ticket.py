"""Tickets (incidents) and requests (service requests), told apart by `module`; and the events they owe the world."""

from datetime import datetime
from enum import StrEnum
from typing import Any

from shared.domain.decision import Classification, Related
from shared.domain.email import Address, Attachment, Authentication, Automatic, SenderStatus
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


class ArticleKind(StrEnum):
    """What a mail is in its ticket's conversation."""

    ORIGINAL = "original"
    REPLY = "reply"
    NOTE = "note"
    """Written by a machine about a mail of ours: a delivery report, an automatic answer. It reopens nothing."""


class Article(Value):
    """One mail of a ticket's conversation. `text` is always all of it; what is quoted is told apart when shown."""

    mail_id: str
    kind: ArticleKind = ArticleKind.ORIGINAL
    message_id: str | None
    sender: Address | None
    subject: str = ""
    text: str
    html: str | None
    attachments: tuple[Attachment, ...]
    received_at: datetime
    authentication: Authentication | None = None


class Appended(Value):
    """A mail appended to a ticket: an article with the event it owes. `at` is when that was decided; `reopened`: the
    ticket was closed, and this reply opened it again."""

    ticket_id: str
    article: Article
    at: datetime
    reopened: bool = False
    outbox: tuple[OutboxEvent, ...] = ()


class TicketState(StrEnum):
    """Whether somebody still works on it."""

    OPEN = "open"
    CLOSED = "closed"


class Answerable(Value):
    """What decides whether, and to whom, a ticket's first mail may be acknowledged. Kept with the ticket, so that
    nobody needs to read the mail again. `addressed`: the mailbox, or an alias, stands in To or Cc; `marked`: it carries
    a loop marker, ours or not; `imported`: it is from before the mailbox began; the rest are the mail's fields (see
    Email)."""

    sender: Address | None = None
    sender_status: SenderStatus = SenderStatus.MISSING
    reply_to: tuple[Address, ...] = ()
    automatic: Automatic | None = None
    auto_submitted: str | None = None
    precedence: str | None = None
    list_id: str | None = None
    suppress: str | None = None
    null_sender: bool = False
    marked: bool = False
    addressed: bool = False
    received_count: int = 0
    authentication_results: tuple[str, ...] = ()
    references: tuple[str, ...] = ()
    imported: bool = False
    authentication_hops: tuple[int, ...] = ()


class AcknowledgementState(StrEnum):
    """How far the answer to the requester is. `unknown` is never sent again by itself."""

    PENDING = "pending"
    CLAIMED = "claimed"
    DATA_STARTED = "data_started"
    SENT = "sent"
    FAILED = "failed_perm"
    UNKNOWN = "unknown"
    SUPPRESSED = "suppressed"


class Acknowledgement(Value):
    """The answer to the requester, as the ticket tells it: a state and a code for machines, a sentence for people."""

    state: AcknowledgementState
    code: str = ""
    sentence: str = ""
    at: datetime


class Ticket(Value):
    """A ticket or request. `ticket_id` is derived from `origin_mail_id`, `number` is for people (`INC-000042`).

    `articles` holds its first mail; the others are documents of their own. `participants` are the addresses that take
    part: only their answers are appended (nobody joins by being in Cc). `closings` counts how often it was closed,
    `reopened_by` names the mails that opened it again. `erased_at`: since then it is a shell without anybody's words,
    because its requester's personal data was erased.
    """

    ticket_id: str
    number: str
    module: Module
    mailbox: str
    origin_mail_id: str
    subject: str
    requester: Address | None
    participants: tuple[str, ...] = ()
    classification: Classification
    articles: tuple[Article, ...]
    duplicates: tuple[str, ...] = ()
    state: TicketState = TicketState.OPEN
    related: Related | None = None
    answerable: Answerable = Answerable()
    acknowledgement: Acknowledgement | None = None
    created_at: datetime
    received_at: datetime
    changed_at: datetime | None = None
    closings: int = 0
    reopened_by: tuple[str, ...] = ()
    flags: tuple[str, ...] = ()
    erased_at: datetime | None = None
    outbox: tuple[OutboxEvent, ...] = ()
