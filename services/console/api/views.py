"""What the API answers with: camelCase, without a secret. Made from domain values here and nowhere else."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import date, datetime
from typing import Any, Self

from pydantic import Field
from pydantic.alias_generators import to_camel

from services.console import old_mail
from services.console.configuration.documents import Metadata
from services.console.moment import Moment
from services.console.probe.steps import StepResult
from services.console.timeline import summary
from shared.domain.access import ApiToken, AuditRecord, Role, SecretFate
from shared.domain.catalogue import Catalogue, Department, Process, Service
from shared.domain.decision import Classification, flags_of
from shared.domain.ledger import LedgerEntry
from shared.domain.mailbox import SECRET_FIELDS, Mailbox, MailboxSpec, split_secrets
from shared.domain.mailbox_runtime import MailboxStatus
from shared.domain.sign_in import SignIn
from shared.domain.ticket import Article, OutboxEvent, Ticket
from shared.domain.value import Document
from shared.domain.wishes import OldMail, Reading
from shared.mail.html import without_remote
from shared.mail.quoted import split


class StatusView(Document):
    """How a mailbox is: a word for machines, a sentence for people."""

    state: str
    code: str = ""
    sentence: str = ""
    since: datetime | None = None
    last_success_at: datetime | None = None
    server_messages: int | None = None
    certificate_until: datetime | None = None

    @classmethod
    def of(cls, mailbox: Mailbox, status: MailboxStatus | None) -> Self:
        """What the operator decided goes before what the fetcher reports."""
        word = "disabled" if not mailbox.spec.enabled else "paused" if mailbox.paused else ""
        if status is None:
            return cls(state=word or "never_connected")
        fields = {"code", "sentence", "since", "last_success_at", "server_messages", "certificate_until"}
        return cls(state=word or status.state.value, **status.model_dump(include=fields))


class SignInView(Document):
    """Who signed in to Microsoft for a mailbox, and whether somebody must (again): `code` and sentences say why."""

    needed: bool
    account: str | None
    signed_in_at: datetime | None
    by: str | None
    code: str = ""
    sentence: str = ""
    remedy: str = ""

    @classmethod
    def of(cls, state: SignIn) -> Self:
        """A sign-in, or that there is none."""
        why = state.lack.model_dump() if state.lack else {}
        who = {"account": state.account or None, "signed_in_at": state.signed_in_at, "by": state.by or None}
        return cls(needed=state.needed, **who, **why)


class ReadingView(Document):
    """Who asked last that a mailbox is read at once, and when that ended; `failure` says why it could not be read."""

    who: str
    asked_at: datetime
    ended_at: datetime | None
    failure: str = ""

    @classmethod
    def of(cls, wish: Reading) -> Self:
        """A wish."""
        return cls(**wish.model_dump(exclude={"number"}))


class ImportView(Document):
    """The last question about mail from before a mailbox began. `state` is `counting`, `counted`, `taking`, `taken` or
    `failed`; `count` is how many mails are meant, once they are counted."""

    state: str
    sentence: str
    since: date | None
    count: int | None
    who: str
    asked_at: datetime
    confirmed_by: str | None
    confirmed_at: datetime | None
    ended_at: datetime | None

    @classmethod
    def of(cls, wish: OldMail) -> Self:
        """A wish."""
        fields = ("since", "count", "who", "asked_at", "confirmed_at", "ended_at")
        told = {name: getattr(wish, name) for name in fields}
        by = wish.confirmed_by or None
        return cls(state=old_mail.state(wish), sentence=old_mail.told(wish), confirmed_by=by, **told)

    def dump(self) -> dict[str, Any]:
        """As JSON."""
        return self.model_dump(mode="json", by_alias=True)


class SignInLink(Document):
    """A one-time link to the page where a person signs in."""

    link: str
    expires_at: datetime


class MailboxView(Document):
    """A mailbox at one revision. `metadata` and `spec` can be sent back as they are."""

    metadata: Metadata
    spec: MailboxSpec
    revision: int
    managed_by: str
    paused: bool
    active: bool
    status: StatusView | None = None
    sign_in: SignInView | None = Field(default=None, description="Only where a person signs in (flow: delegated).")
    reading: ReadingView | None = Field(default=None, description="Only where one mailbox is shown.")
    counts: dict[str, int] = Field(default_factory=dict[str, int])

    @classmethod
    def of(
        cls,
        mailbox: Mailbox,
        status: MailboxStatus | None = None,
        counts: Mapping[str, int] | None = None,
        sign_in: SignIn | None = None,
        reading: Reading | None = None,
    ) -> Self:
        """A stored mailbox; should a secret ever be inline, it is taken out here too."""
        return cls(
            metadata=Metadata(name=mailbox.name, labels=mailbox.labels),
            spec=split_secrets(mailbox.spec)[0],
            revision=mailbox.revision,
            managed_by=mailbox.managed_by,
            paused=mailbox.paused,
            active=mailbox.active,
            status=StatusView.of(mailbox, status),
            sign_in=SignInView.of(sign_in) if sign_in else None,
            reading=ReadingView.of(reading) if reading else None,
            counts=dict(counts or {}),
        )

    def dump(self) -> dict[str, Any]:
        """As JSON, without even the names of the fields that only take a secret (`writeOnly` in the schema)."""
        found = self.model_dump(mode="json", by_alias=True)
        for part, field in SECRET_FIELDS:
            holder: dict[str, Any] | None = found["spec"][part]
            if holder is not None:
                holder.pop(to_camel(field), None)
        return found


class MailboxList(Document):
    """One page of mailboxes, by name; or the revisions of one."""

    items: tuple[MailboxView, ...]
    next_cursor: str | None = None

    def dump(self) -> dict[str, Any]:
        """As JSON."""
        return {"items": [one.dump() for one in self.items], "nextCursor": self.next_cursor}


class CatalogueView(Document):
    """The catalogue at one revision."""

    revision: int
    departments: tuple[Department, ...]
    services: tuple[Service, ...]
    processes: tuple[Process, ...]

    @classmethod
    def of(cls, catalogue: Catalogue) -> Self:
        """All of it."""
        return cls(**{name: getattr(catalogue, name) for name in cls.model_fields})


class PlaceView(Document):
    """Where a ticket belongs in the catalogue."""

    service: str | None
    process: str | None
    department: str | None
    priority: str

    @classmethod
    def of(cls, place: Classification) -> Self:
        """A classification."""
        return cls(
            service=place.service, process=place.process, department=place.department, priority=place.priority.value
        )


class TicketView(Document):
    """A ticket or request, without its messages."""

    ticket_id: str
    number: str
    module: str
    mailbox: str
    subject: str
    requester: str | None
    classification: PlaceView
    messages: int
    duplicates: int
    flags: tuple[str, ...]
    origin_mail_id: str
    received_at: datetime
    created_at: datetime
    state: str
    changed_at: datetime | None
    erased_at: datetime | None


class TicketList(Document):
    """One page of tickets, newest first."""

    items: tuple[TicketView, ...]
    next_cursor: str | None


class AttachmentView(Document):
    """An attachment; its bytes are at `href`."""

    part: str
    filename: str
    content_type: str
    size: int
    sha256: str
    inline: bool
    content_id: str | None
    href: str


class AuthenticationView(Document):
    """What the mailbox's server wrote about the sender: `spf`, `dkim`, `dmarc` in its words; `sender` is `pass` where
    it vouches for the From domain."""

    server: str
    spf: str
    dkim: str
    dmarc: str
    sender: str


class MessageView(Document):
    """One mail of a ticket. `kind` is `original`, `reply`, or `note` for what a machine wrote. `text` is all of it,
    `new` what its author wrote, without quotes and signature. `html` is sanitised and without
    remote images; still show it in a sandboxed frame. Its `cid:` images are the attachments with that `contentId`."""

    mail_id: str
    kind: str
    message_id: str | None
    sender: str | None
    sender_name: str
    subject: str
    text: str
    new: str
    html: str | None
    received_at: datetime
    attachments: tuple[AttachmentView, ...]
    authentication: AuthenticationView | None

    @classmethod
    def of(cls, number: str, article: Article) -> Self:
        """One article of the ticket of that number."""
        base = f"/api/v1/tickets/{number}/messages/{article.mail_id}/attachments"
        names = ("part", "filename", "content_type", "size", "sha256", "inline", "content_id")
        return cls(
            mail_id=article.mail_id,
            kind=article.kind.value,
            message_id=article.message_id,
            sender=article.sender.address if article.sender else None,
            sender_name=article.sender.display if article.sender else "",
            subject=article.subject,
            text=article.text,
            new=split(article.text).new,
            html=without_remote(article.html) if article.html is not None else None,
            authentication=AuthenticationView(**article.authentication.model_dump(mode="json"))
            if article.authentication
            else None,
            received_at=article.received_at,
            attachments=tuple(
                AttachmentView(href=f"{base}/{one.part}", **{name: getattr(one, name) for name in names})
                for one in article.attachments
            ),
        )


class RelatedView(Document):
    """Another ticket that this one has to do with: `possible_parent`, which its mail may belong to, or the closed one
    that it is a `follow_up` of."""

    ticket_id: str
    number: str
    relation: str


class AcknowledgementView(Document):
    """How far the answer to the requester is: a state and a code for programs, a sentence for people."""

    state: str
    code: str
    sentence: str
    at: datetime


class TicketDetail(TicketView):
    """A ticket with its conversation, in the order of arrival."""

    related: RelatedView | None
    acknowledgement: AcknowledgementView | None
    conversation: tuple[MessageView, ...]
    events_owed: tuple[str, ...] = Field(default=(), description="Types of its events that are not published yet.")

    @classmethod
    def of(cls, ticket: Ticket, appended: Sequence[Article], owed: Sequence[OutboxEvent] = ()) -> Self:
        """A ticket, what was appended to it, and the events that its replies owe."""
        answer = ticket.acknowledgement
        return cls(
            **ticket_fields(ticket, len(appended)),
            related=RelatedView(**ticket.related.model_dump(mode="json")) if ticket.related else None,
            acknowledgement=AcknowledgementView(**answer.model_dump()) if answer else None,
            conversation=tuple(MessageView.of(ticket.number, one) for one in (*ticket.articles, *appended)),
            events_owed=tuple(one.type for one in (*ticket.outbox, *owed)),
        )


_SAME_OF_TICKET = (
    "ticket_id",
    "number",
    "mailbox",
    "subject",
    "flags",
    "origin_mail_id",
    "received_at",
    "created_at",
    "changed_at",
    "erased_at",
)


def ticket_fields(ticket: Ticket, appended: int) -> dict[str, Any]:
    """The fields that list and detail share; `appended` mails came after the first."""
    return {
        **{name: getattr(ticket, name) for name in _SAME_OF_TICKET},
        "module": ticket.module.value,
        "state": ticket.state.value,
        "requester": ticket.requester.address if ticket.requester else None,
        "classification": PlaceView.of(ticket.classification),
        "messages": 1 + appended,
        "duplicates": len(ticket.duplicates),
    }


class MailView(Document):
    """A mail in the books: where it stands, in one sentence; `flags` name what was odd about it."""

    mail_id: str
    mailbox: str
    message_id: str | None
    sender: str | None
    subject: str
    state: str
    attempts: int
    outcome: str | None
    reason: str | None
    number: str | None
    summary: str
    stored_at: datetime
    flags: tuple[str, ...] = ()


class MailList(Document):
    """One page of mails, newest first."""

    items: tuple[MailView, ...]
    next_cursor: str | None


class MomentView(Document):
    """One line of a mail's timeline; `at` is null where only the order is known."""

    stage: str
    step: str
    verdict: str
    sentence: str
    at: datetime | None
    looked_at: dict[str, str]

    @classmethod
    def of(cls, moment: Moment) -> Self:
        """A moment."""
        return cls(**asdict(moment))


class MailDetail(MailView):
    """A mail with everything that happened to it, oldest first."""

    timeline: tuple[MomentView, ...]


def mail_fields(entry: LedgerEntry) -> dict[str, Any]:
    """The fields that list and detail share."""
    decision = entry.decision
    return {
        **{name: getattr(entry, name) for name in ("mail_id", "attempts", "stored_at")},
        **{name: getattr(entry.headline, name) for name in ("message_id", "sender", "subject")},
        "mailbox": entry.origin.mailbox,
        "state": entry.state.value,
        "outcome": decision.kind.value if decision else None,
        "reason": decision.reason.value if decision else None,
        "number": decision.number if decision else None,
        "summary": summary(entry),
        "flags": flags_of(entry.trace),
    }


class AuditView(Document):
    """One change: who, what, when, old and new. Secrets are only changed, unchanged or removed."""

    record_id: str
    at: datetime
    who: str
    action: str
    kind: str
    name: str
    old: dict[str, Any] | None
    new: dict[str, Any] | None
    secrets: dict[str, SecretFate]
    outcome: str

    @classmethod
    def of(cls, record: AuditRecord) -> Self:
        """A record."""
        return cls(**{name: getattr(record, name) for name in cls.model_fields})


class AuditList(Document):
    """One page of the audit log, newest first."""

    items: tuple[AuditView, ...]
    next_cursor: str | None


class TokenView(Document):
    """What is known of an API token."""

    token_id: str
    name: str
    role: Role
    created_by: str
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None


class NewTokenView(TokenView):
    """A token that was just made, with its text: the only time anyone sees it."""

    token: str


class TokenList(Document):
    """All tokens, oldest first."""

    items: tuple[TokenView, ...]


def token_fields(token: ApiToken) -> dict[str, Any]:
    """The fields of a token's views."""
    return {name: getattr(token, name) for name in TokenView.model_fields}


class TestEnd(Document):
    """How a test of a mailbox ended, after how many milliseconds."""

    passed: bool
    milliseconds: int


class TestView(TestEnd):
    """A whole test of a mailbox: each step in its order."""

    steps: tuple[StepResult, ...]


class HealthView(Document):
    """Whether the API works: its store answered. `mailboxes` counts them by state."""

    status: str
    version: str
    time: datetime
    configuration: int
    mailboxes: dict[str, int]
