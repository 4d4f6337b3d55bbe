"""What a condition for an acknowledgement is, and what it may know.

A condition is a file: its module docstring is for people, `check` says why no acknowledgement may be sent (None: it
may), `CONDITION` names it. It never fetches: what must be looked up first stands in `Asked`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from shared.domain.mailbox import MailboxSpec
from shared.domain.ticket import Answerable


class Reason(StrEnum):
    """The closed list of reasons for which there is no acknowledgement: metric label and code on the ticket."""

    MAILBOX_GONE = "mailbox_gone"
    SWITCHED_OFF = "switched_off"
    NO_SENDER = "no_sender"
    AMBIGUOUS_SENDER = "ambiguous_sender"
    LOOP_MARKER = "loop_marker"
    OWN_ADDRESS = "own_address"
    TOO_MANY_HOPS = "too_many_hops"
    DELIVERY_REPORT = "delivery_report"
    NULL_SENDER = "null_sender"
    MACHINE_ADDRESS = "machine_address"
    MAILING_LIST = "mailing_list"
    AUTOMATIC_MAIL = "automatic_mail"
    REPLIES_SUPPRESSED = "replies_suppressed"
    NOT_ADDRESSED = "not_addressed"
    IMPORTED = "imported"
    BACKLOG = "backlog"
    NOT_AUTHENTICATED = "not_authenticated"
    NO_RECIPIENT = "no_recipient"
    NOT_COMPOSABLE = "not_composable"
    BUDGET_ADDRESS = "budget_address"
    BUDGET_DOMAIN = "budget_domain"
    BUDGET_GLOBAL = "budget_global"


@dataclass(frozen=True, slots=True)
class Asked:
    """A ticket's first mail and all that was looked up for it.

    `spec` is None for a mailbox that is not there any more; `own_addresses` are those of every mailbox;
    `authenticated`: the server that the mailbox names vouches for the sender; `recipient` is whom the answer would go
    to; `taken_at` is when the ticket's event was taken.
    """

    answerable: Answerable
    spec: MailboxSpec | None
    own_addresses: frozenset[str]
    authenticated: bool
    recipient: str | None
    received_at: datetime
    taken_at: datetime


Check = Callable[[Asked], str | None]


@dataclass(frozen=True, slots=True)
class Condition:
    """A condition: its reason code, its text for people, its check (a sentence where it does not hold)."""

    reason: Reason
    about: str | None
    check: Check
