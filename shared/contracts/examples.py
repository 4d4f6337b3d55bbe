"""One example of every event: what the documentation shows, and what the golden files keep."""

from datetime import UTC, datetime
from typing import Final

from shared.contracts import events
from shared.domain import identity
from shared.domain.decision import Classification, Decision, Kind, Priority, Reason, Revisions
from shared.domain.email import Address, Attachment, Headline
from shared.domain.ledger import Failure, LedgerEntry, MailOrigin, State
from shared.domain.mailbox import Module
from shared.domain.ticket import Article, ArticleKind, OutboxEvent, Ticket

RECEIVED: Final = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
HANDLED: Final = datetime(2026, 3, 1, 12, 0, 1, 250_000, tzinfo=UTC)
_ALICE: Final = Address(address="alice@example.org", display="Alice")


def examples() -> dict[str, OutboxEvent]:
    """Each event once, by its type, as it waits in an outbox."""
    opened, reply = _ticket(), _article("the reply", ArticleKind.REPLY)
    rejected = _decision()
    made = (
        events.ticket_created(opened),
        events.ticket_replied(opened, reply, HANDLED, reopened=True),
        events.ticket_duplicate_counted(opened, _mail("the repeat"), RECEIVED, HANDLED),
        events.mail_rejected(_mail("the spam"), "support", "<win@spam.example>", RECEIVED, rejected),
        events.mail_quarantined(_entry(_mail("the odd one")), _failure()),
    )
    return {one.type: one for one in made}


def _mail(word: str) -> str:
    return identity.mail_id(word, 0)


def _ticket() -> Ticket:
    mail = _mail("the first")
    return Ticket(
        ticket_id=identity.ticket_id(mail),
        number="INC-000042",
        module=Module.TICKET,
        mailbox="support",
        origin_mail_id=mail,
        subject="Printer on fire",
        requester=_ALICE,
        classification=Classification(service="printing", department="it", priority=Priority.HIGH),
        articles=(_article("the first", ArticleKind.ORIGINAL),),
        created_at=HANDLED,
        received_at=RECEIVED,
    )


def _article(word: str, kind: ArticleKind) -> Article:
    photo = Attachment(part="2", filename="fire.jpg", content_type="image/jpeg", size=3, sha256="a" * 64)
    return Article(
        mail_id=_mail(word),
        kind=kind,
        message_id=f"<{word.replace(' ', '.')}@example.org>",
        sender=_ALICE,
        subject="Re: Printer on fire",
        text="It burns.",
        html=None,
        attachments=(photo,) if kind is ArticleKind.ORIGINAL else (),
        received_at=RECEIVED,
    )


def _decision() -> Decision:
    return Decision(
        kind=Kind.REJECTED,
        reason=Reason.BLOCKED_SENDER,
        sentence="The sender win@spam.example is blocked by *@spam.example.",
        revisions=Revisions(mailbox=3),
        decided_at=HANDLED,
    )


def _failure() -> Failure:
    return Failure(stage="filter", code="parser_killed", what="The mail kills its parser.", at=HANDLED)


def _entry(mail_id: str) -> LedgerEntry:
    origin = MailOrigin(
        mailbox="support",
        folder="INBOX",
        uid_validity=7,
        uid=1,
        internal_date=RECEIVED,
        size=3,
        content_id="odd",
        raw_sha256="d" * 64,
    )
    headline = Headline(message_id="<odd@example.org>")
    return LedgerEntry(
        mail_id=mail_id,
        origin=origin,
        headline=headline,
        state=State.STORED,
        stored_at=RECEIVED,
        progress_at=RECEIVED,
    )
