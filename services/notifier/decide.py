"""May this ticket's first mail be acknowledged, and to whom? Pure: no clock, driver, log or environment."""

from dataclasses import dataclass
from datetime import datetime

from services.notifier.conditions import CONDITIONS
from services.notifier.conditions.condition import Asked, Reason
from services.notifier.recipient import recipient
from shared.domain.budgets import Scope
from shared.domain.email import Vouched
from shared.domain.mailbox import Mailbox, MailboxSpec
from shared.domain.outbound import Outbound
from shared.domain.ticket import Acknowledgement, AcknowledgementState, Answerable, Ticket
from shared.mail.authentication import judge


@dataclass(frozen=True, slots=True)
class Facts:
    """What was looked up: all addresses of ours, and when the ticket's event was taken."""

    own_addresses: frozenset[str]
    taken_at: datetime


@dataclass(frozen=True, slots=True)
class Answer:
    """It may be sent. `authenticated` lets the mail's own subject be repeated."""

    recipient: str
    authenticated: bool


@dataclass(frozen=True, slots=True)
class Suppressed:
    """It may not, and why."""

    reason: Reason
    sentence: str


def decide(ticket: Ticket, mailbox: Mailbox | None, facts: Facts) -> Answer | Suppressed:
    """Ask every condition; the first that fails is the reason."""
    authenticated = mailbox is not None and _vouched(ticket.answerable, mailbox.spec)
    to = recipient(ticket.answerable, authenticated)
    asked = Asked(
        answerable=ticket.answerable,
        spec=mailbox.spec if mailbox else None,
        own_addresses=facts.own_addresses,
        authenticated=authenticated,
        recipient=to,
        received_at=ticket.received_at,
        taken_at=facts.taken_at,
    )
    for one in CONDITIONS:
        if sentence := one.check(asked):
            return Suppressed(one.reason, sentence)
    if to is None:
        return Suppressed(Reason.NO_RECIPIENT, "There is nobody to answer to.")
    return Answer(to, authenticated)


def outbound(ticket: Ticket, decided: Answer | Suppressed, now: datetime, taken_at: datetime) -> Outbound:
    """What is written down about a ticket's acknowledgement."""
    status = (
        suppressed(decided, taken_at)
        if isinstance(decided, Suppressed)
        else Acknowledgement(state=AcknowledgementState.PENDING, sentence="It waits to be sent.", at=taken_at)
    )
    return Outbound(
        ticket_id=ticket.ticket_id,
        number=ticket.number,
        mailbox=ticket.mailbox,
        status=status,
        since=now,
        taken_at=taken_at,
        mail_id=ticket.origin_mail_id,
    )


def suppressed(why: Suppressed, at: datetime) -> Acknowledgement:
    """A verdict as the ticket shows it."""
    return Acknowledgement(state=AcknowledgementState.SUPPRESSED, code=why.reason.value, sentence=why.sentence, at=at)


_SPENT = {
    Scope.ADDRESS: Suppressed(Reason.BUDGET_ADDRESS, "This address was sent as many as it may get for now."),
    Scope.DOMAIN: Suppressed(Reason.BUDGET_DOMAIN, "The sender's domain was sent as many as it may get in this hour."),
    Scope.GLOBAL: Suppressed(Reason.BUDGET_GLOBAL, "As many were sent in this hour as may be sent at all."),
}


def gone(*, mailbox_there: bool) -> Suppressed:
    """The verdict where mailbox or ticket is not there any more."""
    if mailbox_there:
        return Suppressed(Reason.NOT_COMPOSABLE, "The ticket is not there any more.")
    return Suppressed(Reason.MAILBOX_GONE, "The mailbox was deleted meanwhile.")


def spent(scope: Scope) -> Suppressed:
    """The verdict where a budget is spent."""
    return _SPENT[scope]


def _vouched(mail: Answerable, spec: MailboxSpec) -> bool:
    """Whether the server that the mailbox names vouches for the sender's domain."""
    said = judge(mail, spec)
    return said is not None and said.sender is Vouched.PASS
