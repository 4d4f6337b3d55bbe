"""What a classified mail becomes: a ticket of its own, or one more mail of a ticket that is there. Pure."""

from collections.abc import Mapping
from datetime import datetime

from shared.contracts.events import ticket_created, ticket_replied
from shared.contracts.messages import EmailClassified
from shared.domain import identity
from shared.domain.decision import Decision, Kind, Reason, Related, Relation, Revisions, Step, Verdict
from shared.domain.email import Automatic, Email, SenderStatus
from shared.domain.errors import Soon
from shared.domain.ledger import LedgerEntry, State
from shared.domain.mailbox import Module
from shared.domain.ticket import Answerable, Appended, Article, ArticleKind, Ticket, TicketState
from shared.mail.flags import Flag


def original_of(
    mail: EmailClassified, entry: LedgerEntry | None, tickets: Mapping[str, Ticket]
) -> Ticket | Soon | None:
    """Where a repeated mail belongs, from the books of the mail it repeats and the tickets that are there.

    The ticket of that mail, or None if it has none (then this mail opens its own, so that nothing is lost), or the
    error while that mail is still in flight.
    """
    if entry is None or entry.state is State.QUARANTINED:
        return None
    if entry.decision is None:
        return Soon("the mail that this one repeats is still in flight", where=mail.mailbox, code="original_in_flight")
    ticket_id = entry.decision.ticket_id
    if ticket_id is None or ticket_id in tickets or entry.state is State.DONE:
        return tickets.get(ticket_id or "")
    return Soon("the ticket that this mail repeats is not written yet", code="original_not_written")


def opens(mail: EmailClassified, number: str, now: datetime, related: Related | None = None) -> Decision:
    """The decision that a mail opens a ticket or request with that number."""
    request = mail.module is Module.REQUEST
    return Decision(
        kind=Kind.TICKET,
        reason=Reason.REQUEST_CREATED if request else Reason.TICKET_CREATED,
        sentence=f"{'Request' if request else 'Ticket'} {number} was opened.{_relation(related)}",
        module=mail.module,
        ticket_id=identity.ticket_id(mail.mail_id),
        number=number,
        classification=mail.classification,
        revisions=_revisions(mail),
        decided_at=now,
        related=related,
    )


def repeats(mail: EmailClassified, original: Ticket, now: datetime) -> Decision:
    """The decision that a mail opens nothing and is counted on a ticket."""
    return Decision(
        kind=Kind.DUPLICATE,
        reason=Reason.DUPLICATE_OF,
        sentence=f"It repeats a mail of {original.number}, and was counted there.",
        module=mail.module,
        ticket_id=original.ticket_id,
        number=original.number,
        revisions=_revisions(mail),
        decided_at=now,
    )


def appends(mail: EmailClassified, ticket: Ticket, *, note: bool, now: datetime) -> Decision:
    """The decision that a mail is appended to a ticket: as a reply, which opens a closed ticket again, or as a note."""
    reason, sentence = _appending(mail, ticket) if note else _answering(ticket)
    return Decision(
        kind=Kind.REPLY,
        reason=reason,
        sentence=sentence,
        module=ticket.module,
        ticket_id=ticket.ticket_id,
        number=ticket.number,
        revisions=_revisions(mail),
        decided_at=now,
        reopens=ticket.closings if ticket.state is TicketState.CLOSED and not note else 0,
    )


def _answering(ticket: Ticket) -> tuple[Reason, str]:
    again = ", which was closed and is open again" if ticket.state is TicketState.CLOSED else ""
    return Reason.REPLY_APPENDED, f"It is a reply, and was appended to {ticket.number}{again}."


def _appending(mail: EmailClassified, ticket: Ticket) -> tuple[Reason, str]:
    if mail.email.automatic is Automatic.BOUNCE:
        return Reason.BOUNCE_ATTACHED, f"It is a delivery report, and was attached to {ticket.number} as a note."
    sentence = f"It is an automatic mail, and was attached to {ticket.number} as a note."
    return Reason.AUTOMATIC_ANSWER_ATTACHED, sentence


def _relation(related: Related | None) -> str:
    match related:
        case None:
            return ""
        case Related(relation=Relation.FOLLOW_UP, number=number):
            return f" It follows {number}, which was closed."
        case Related(number=number):
            return f" It may belong to {number}."


def _revisions(mail: EmailClassified) -> Revisions:
    return Revisions(mailbox=mail.mailbox_revision, catalogue=mail.catalogue_revision)


def trace(mail: EmailClassified, decision: Decision, conversation: Step | None = None) -> tuple[Step, ...]:
    """The whole trace of a mail: what the stages before wrote, how it was matched, and the decision's line."""
    looked_at = {"duplicate_of": mail.duplicate_of} if mail.duplicate_of else {}
    step = Step(
        stage="ticket_writer",
        rule=decision.reason.value,
        verdict=Verdict.CHOSE,
        sentence=decision.sentence,
        looked_at=looked_at,
    )
    return (*mail.trace, *((conversation,) if conversation else ()), step)


def ticket(mail: EmailClassified, decision: Decision, source: str, *, addressed: bool = False) -> Ticket:
    """The ticket of a decision, with the event it owes. The same decision and mail always give the same document.

    `addressed`: the mailbox, or an alias, stands in To or Cc.
    """
    email = mail.email
    opened = Ticket(
        ticket_id=decision.ticket_id or identity.ticket_id(mail.mail_id),
        number=decision.number or "",
        module=decision.module or mail.module,
        mailbox=mail.mailbox,
        origin_mail_id=mail.mail_id,
        subject=email.subject,
        requester=email.sender,
        participants=(email.sender.address,) if email.sender and email.sender_status is SenderStatus.OK else (),
        classification=decision.classification or mail.classification,
        articles=(_article(mail, ArticleKind.ORIGINAL),),
        related=decision.related,
        answerable=_answerable(mail, addressed),
        created_at=decision.decided_at,
        received_at=mail.received_at,
        flags=email.flags,
    )
    return opened.model_copy(update={"outbox": (ticket_created(opened, source),)})


def appended(mail: EmailClassified, decision: Decision, to: Ticket, source: str) -> Appended:
    """The article of a decision, with the event it owes. `to` is its ticket, as it is once a reply opened it again."""
    note = decision.reason is not Reason.REPLY_APPENDED
    article = _article(mail, ArticleKind.NOTE if note else ArticleKind.REPLY)
    reopened = mail.mail_id in to.reopened_by
    event = ticket_replied(to, article, decision.decided_at, reopened=reopened, source=source)
    return Appended(ticket_id=to.ticket_id, article=article, at=decision.decided_at, reopened=reopened, outbox=(event,))


def _article(mail: EmailClassified, kind: ArticleKind) -> Article:
    email = mail.email
    return Article(
        mail_id=mail.mail_id,
        kind=kind,
        message_id=email.message_id,
        sender=email.sender,
        subject=email.subject,
        text=email.text,
        html=email.html,
        attachments=email.attachments,
        received_at=mail.received_at,
        authentication=email.authentication,
    )


def _answerable(mail: EmailClassified, addressed: bool) -> Answerable:
    email = mail.email
    same = set(Answerable.model_fields) & set(Email.model_fields)
    return Answerable(
        **{name: getattr(email, name) for name in same},
        null_sender=Flag.NULL_SENDER.value in email.flags,
        marked=email.loop_marker is not None,
        addressed=addressed,
        imported=mail.imported,
    )
