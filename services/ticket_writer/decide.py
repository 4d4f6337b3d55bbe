"""What a classified mail becomes: a ticket of its own, or one more of a ticket that is there. Pure."""

from datetime import datetime

from shared.contracts.events import ticket_created
from shared.contracts.messages import EmailClassified
from shared.domain import identity
from shared.domain.decision import Decision, Kind, Reason, Revisions, Step, Verdict
from shared.domain.errors import AutomatorError, Transient
from shared.domain.ledger import LedgerEntry, State
from shared.domain.mailbox import Module
from shared.domain.ticket import Article, Ticket

Original = tuple[str, str]
"""The ticket that a repeated mail belongs to: its id and its number."""


def original_of(mail: EmailClassified, entry: LedgerEntry | None) -> Original | AutomatorError | None:
    """Where a repeated mail belongs, from the books of the mail it repeats.

    The ticket of that mail, or None if it made none (then this mail opens its own, so that nothing is lost), or a
    Transient error while that mail is still in flight.
    """
    if entry is None or entry.state is State.QUARANTINED:
        return None
    decision = entry.decision
    if decision is None:
        return Transient(
            "the mail that this one repeats is still in flight", where=mail.mailbox, code="original_in_flight"
        )
    if decision.ticket_id is None or decision.number is None:
        return None
    return decision.ticket_id, decision.number


def opens(mail: EmailClassified, number: str, now: datetime) -> Decision:
    """The decision that a mail opens a ticket or request with that number."""
    request = mail.module is Module.REQUEST
    return Decision(
        kind=Kind.TICKET,
        reason=Reason.REQUEST_CREATED if request else Reason.TICKET_CREATED,
        sentence=f"{'Request' if request else 'Ticket'} {number} was opened.",
        module=mail.module,
        ticket_id=identity.ticket_id(mail.mail_id),
        number=number,
        classification=mail.classification,
        revisions=Revisions(mailbox=mail.mailbox_revision, catalogue=mail.catalogue_revision),
        decided_at=now,
    )


def repeats(mail: EmailClassified, original: Original, now: datetime) -> Decision:
    """The decision that a mail opens nothing and is counted on a ticket."""
    ticket_id, number = original
    return Decision(
        kind=Kind.DUPLICATE,
        reason=Reason.DUPLICATE_OF,
        sentence=f"It repeats the mail that opened {number}, and was counted there.",
        module=mail.module,
        ticket_id=ticket_id,
        number=number,
        revisions=Revisions(mailbox=mail.mailbox_revision, catalogue=mail.catalogue_revision),
        decided_at=now,
    )


def trace(mail: EmailClassified, decision: Decision) -> tuple[Step, ...]:
    """The whole trace of a mail: what the stages before wrote, and this stage's line."""
    looked_at = {"duplicate_of": mail.duplicate_of} if mail.duplicate_of else {}
    step = Step(
        stage="ticket_writer",
        rule=decision.reason.value,
        verdict=Verdict.CHOSE,
        sentence=decision.sentence,
        looked_at=looked_at,
    )
    return (*mail.trace, step)


def ticket(mail: EmailClassified, decision: Decision, source: str) -> Ticket:
    """The ticket of a decision, with the event it owes. The same decision and mail always give the same document."""
    email = mail.email
    article = Article(
        mail_id=mail.mail_id,
        message_id=email.message_id,
        sender=email.sender,
        text=email.text,
        html=email.html,
        attachments=email.attachments,
        received_at=mail.received_at,
    )
    opened = Ticket(
        ticket_id=decision.ticket_id or identity.ticket_id(mail.mail_id),
        number=decision.number or "",
        module=decision.module or mail.module,
        mailbox=mail.mailbox,
        origin_mail_id=mail.mail_id,
        subject=email.subject,
        requester=email.sender,
        classification=decision.classification or mail.classification,
        articles=(article,),
        created_at=decision.decided_at,
        received_at=mail.received_at,
        flags=email.flags,
    )
    return opened.model_copy(update={"outbox": (ticket_created(opened, source),)})
