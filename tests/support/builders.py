"""Builders of domain values: every field has a default, a test names what it is about."""

from datetime import UTC, datetime
from typing import Any

from shared.contracts.messages import EmailAccepted, EmailClassified
from shared.domain.decision import Classification, Decision, Kind, Priority, Reason, Revisions, Step, Verdict
from shared.domain.email import Address, Attachment, Email, Recipient, SenderStatus, Source
from shared.domain.ledger import LedgerEntry, MailOrigin, State
from shared.domain.mailbox import Mailbox, MailboxSpec, Module
from shared.domain.ticket import Article

AT = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


def email(**changes: Any) -> Email:
    fields: dict[str, Any] = {
        "message_id": "one@example.org",
        "sender": Address(address="alice@example.org", display="Alice"),
        "sender_status": SenderStatus.OK,
        "recipients": (Recipient(address="support@example.com", source=Source.TO),),
        "subject": "Printer on fire",
        "text": "It burns.",
        "size": 1234,
        "content_sha256": "c" * 64,
        "attachments": (),
    }
    return Email(**{**fields, **changes})


def attachment(**changes: Any) -> Attachment:
    fields: dict[str, Any] = {
        "part": "2",
        "filename": "a.pdf",
        "content_type": "application/pdf",
        "size": 3,
        "sha256": "a" * 64,
    }
    return Attachment(**{**fields, **changes})


def article(mail_id: str = "m3", **changes: Any) -> Article:
    fields: dict[str, Any] = {
        "mail_id": mail_id,
        "message_id": "<three@example.org>",
        "sender": Address(address="alice@example.org", display="Alice"),
        "subject": "Re: Printer on fire",
        "text": "It still burns.",
        "html": None,
        "attachments": (),
        "received_at": AT,
    }
    return Article(**{**fields, **changes})


def spec(**changes: Any) -> MailboxSpec:
    fields: dict[str, Any] = {
        "module": "ticket",
        "email": "support@example.com",
        "imap": {"host": "imap.example.com"},
        "acknowledgements": {"enabled": False},
    }
    return MailboxSpec.model_validate({**fields, **changes})


def mailbox(name: str = "support", **changes: Any) -> Mailbox:
    return Mailbox(name=name, spec=spec(**changes))


def accepted(mail_id: str = "m1", **changes: Any) -> EmailAccepted:
    fields: dict[str, Any] = {
        "mail_id": mail_id,
        "mailbox": "support",
        "received_at": AT,
        "fetched_at": AT,
        "module": Module.TICKET,
        "mailbox_revision": 3,
        "email": email(),
        "trace": (Step(stage="filter", rule="blocked_sender", verdict=Verdict.PASSED, sentence="Not blocked."),),
    }
    return EmailAccepted(**{**fields, **changes})


def classified(mail_id: str = "m1", **changes: Any) -> EmailClassified:
    fields = {name: getattr(accepted(mail_id), name) for name in EmailAccepted.model_fields}
    place = Classification(service="printing", department="it", priority=Priority.HIGH)
    return EmailClassified(**{**fields, "catalogue_revision": 2, "classification": place, **changes})


def decision(**changes: Any) -> Decision:
    fields: dict[str, Any] = {
        "kind": Kind.REJECTED,
        "reason": Reason.BLOCKED_SENDER,
        "sentence": "The sender is blocked.",
        "revisions": Revisions(mailbox=3, catalogue=2),
        "decided_at": AT,
    }
    return Decision(**{**fields, **changes})


def entry(mail_id: str = "m1", *, mailbox_name: str = "support", uid: int = 1, **changes: Any) -> LedgerEntry:
    origin = MailOrigin(
        mailbox=mailbox_name,
        folder="INBOX",
        uid_validity=7,
        uid=uid,
        internal_date=AT,
        size=1234,
        content_id=f"content-{mail_id}",
        raw_sha256="d" * 64,
    )
    fields: dict[str, Any] = {
        "mail_id": mail_id,
        "origin": origin,
        "state": State.STORED,
        "stored_at": AT,
        "progress_at": AT,
    }
    return LedgerEntry(**{**fields, **changes})
