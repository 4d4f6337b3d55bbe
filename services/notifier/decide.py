"""May this ticket's first mail be acknowledged, and to whom? Pure: no clock, driver, log or environment."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from services.notifier.conditions import CONDITIONS
from services.notifier.conditions.condition import Asked, Reason
from services.notifier.recipient import Organisation, recipient
from shared.domain.budgets import Scope
from shared.domain.mailbox import Mailbox
from shared.domain.outbound import Outbound
from shared.domain.patterns import domain_of
from shared.domain.ticket import Acknowledgement, AcknowledgementState, Ticket

Vouches = Callable[[Sequence[str], str, str], bool]
"""Whether a mail's authentication results, by the server of that name, vouch for a domain (RFC 8601)."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What was looked up: all addresses of ours, whether somebody vouches for the sender, who belongs together, and
    when the ticket's event was taken."""

    own_addresses: frozenset[str]
    authenticated: bool
    organisation: Organisation
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
    to = recipient(ticket.answerable, facts.authenticated, facts.organisation)
    asked = Asked(
        answerable=ticket.answerable,
        spec=mailbox.spec if mailbox else None,
        own_addresses=facts.own_addresses,
        authenticated=facts.authenticated,
        recipient=to,
        received_at=ticket.received_at,
        taken_at=facts.taken_at,
    )
    for one in CONDITIONS:
        if sentence := one.check(asked):
            return Suppressed(one.reason, sentence)
    if to is None:
        return Suppressed(Reason.NO_RECIPIENT, "There is nobody to answer to.")
    return Answer(to, facts.authenticated)


def outbound(ticket: Ticket, verdict: Answer | Suppressed, now: datetime, taken_at: datetime) -> Outbound:
    """What is written down about a ticket's acknowledgement."""
    status = (
        suppressed(verdict, taken_at)
        if isinstance(verdict, Suppressed)
        else Acknowledgement(state=AcknowledgementState.PENDING, sentence="It waits to be sent.", at=taken_at)
    )
    return Outbound(
        ticket_id=ticket.ticket_id,
        number=ticket.number,
        mailbox=ticket.mailbox,
        status=status,
        since=now,
        taken_at=taken_at,
    )


def suppressed(verdict: Suppressed, at: datetime) -> Acknowledgement:
    """A verdict as the ticket shows it."""
    return Acknowledgement(
        state=AcknowledgementState.SUPPRESSED, code=verdict.reason.value, sentence=verdict.sentence, at=at
    )


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


def facts(
    ticket: Ticket,
    mailbox: Mailbox | None,
    own_addresses: frozenset[str],
    vouches: Vouches,
    organisation: Organisation,
    taken_at: datetime,
) -> Facts:
    """What `decide` needs, from what there is."""
    sender, spec = ticket.answerable.sender, mailbox.spec if mailbox else None
    authenticated = (
        sender is not None
        and spec is not None
        and spec.authserv_id is not None
        and vouches(ticket.answerable.authentication_results, spec.authserv_id, domain_of(sender.address))
    )
    return Facts(own_addresses, authenticated, organisation, taken_at)
