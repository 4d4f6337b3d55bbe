"""Decisions: what became of a mail, and why.

A mail has one final decision; a replay can replace a rejection by a later version. Its trace tells each step that led
there: which stage, which rule, what it looked at.
"""

from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime
from enum import StrEnum

from pydantic import Field

from shared.domain.mailbox import Module
from shared.domain.value import Value


class Kind(StrEnum):
    """The ends a mail can come to (quarantine is a state, not a decision: it can still be replayed)."""

    TICKET = "ticket"
    REPLY = "reply"
    DUPLICATE = "duplicate"
    REJECTED = "rejected"


class Reason(StrEnum):
    """The closed list of reason codes: rule names, metric labels and what the console shows are these words."""

    TICKET_CREATED = "ticket_created"
    REQUEST_CREATED = "request_created"
    DUPLICATE_OF = "duplicate_of"
    REPLY_APPENDED = "reply_appended"
    BOUNCE_ATTACHED = "bounce_attached"
    AUTOMATIC_ANSWER_ATTACHED = "automatic_answer_attached"
    AUTOMATIC_MAIL = "automatic_mail"
    OWN_LOOP = "own_loop"
    BLOCKED_SENDER = "blocked_sender"
    DOMAIN_NOT_APPROVED = "domain_not_approved"
    SENDER_NOT_ALIGNED = "sender_not_aligned"
    NOT_IN_TO = "not_in_to"
    SUBJECT_NO_MATCH = "subject_no_match"
    MAILBOX_DELETED = "mailbox_deleted"
    UNFETCHABLE = "unfetchable"
    TOO_LARGE = "too_large"
    DISCARDED = "discarded"


class Verdict(StrEnum):
    """What one rule said."""

    PASSED = "passed"
    REJECTED = "rejected"
    DIVERTED = "diverted"
    OFF = "off"
    CHOSE = "chose"
    DEFAULTED = "defaulted"


class Step(Value):
    """One line of the trace: a rule of a stage, what it said, and the sentence a person reads.

    `looked_at` holds the few values that decided (never a whole body).
    """

    stage: str
    rule: str
    verdict: Verdict
    sentence: str
    looked_at: dict[str, str] = Field(default_factory=dict[str, str])


ODDITIES = "oddities"
"""The rule of the step that tells a mail's flags."""


def flags_of(trace: Iterable[Step]) -> tuple[str, ...]:
    """The flags that the trace of a mail tells of."""
    told = next((one.looked_at.get("flags", "") for one in trace if one.rule == ODDITIES), "")
    return tuple(told.split(", ")) if told else ()


class Priority(StrEnum):
    """From Importance, Priority or X-Priority."""

    LOW = "low"
    NORMAL = "normal"
    HIGH = "high"


class Classification(Value):
    """Where a mail belongs in the catalogue."""

    service: str | None = None
    process: str | None = None
    department: str | None = None
    priority: Priority = Priority.NORMAL


class Overruling(Value):
    """A person's order to let a mail pass whatever the filter says: who, and why."""

    who: str
    why: str


class Relation(StrEnum):
    """Why a ticket names another one."""

    POSSIBLE_PARENT = "possible_parent"
    """Its mail answers that ticket, but may not be appended: mostly because its sender takes no part there."""
    FOLLOW_UP = "follow_up"
    """Its mail answers that ticket, which was closed."""


class Related(Value):
    """Another ticket that this one has to do with."""

    ticket_id: str
    number: str
    relation: Relation


class Revisions(Value):
    """Under which configuration a decision was taken."""

    mailbox: int
    catalogue: int = 0


class Decision(Value):
    """The one final decision on a mail. Written once per `version`, by compare-and-set.

    `ticket_id` and `number` name the ticket opened, replied to or counted on; both are None for a rejection. `related`
    is the other ticket that an opened one names. `reopens` says which closing of its ticket a reply undoes (the first
    is 1, 0 is none), so that executing it again never undoes a later one.
    """

    kind: Kind
    reason: Reason
    sentence: str
    module: Module | None = None
    ticket_id: str | None = None
    number: str | None = None
    classification: Classification | None = None
    revisions: Revisions
    version: int = 1
    decided_at: datetime
    related: Related | None = None
    reopens: int = 0


def by_version(versions: Iterable[tuple[str, int]]) -> dict[int, list[str]]:
    """mail_ids by the version of their decisions."""
    found: defaultdict[int, list[str]] = defaultdict(list)
    for mail_id, version in versions:
        found[version].append(mail_id)
    return dict(found)
