"""The ledger: one entry per mail, and the moves that are legal."""

from datetime import datetime
from enum import StrEnum
from typing import Literal

from shared.domain.decision import Decision, Step
from shared.domain.email import Headline
from shared.domain.ticket import OutboxEvent
from shared.domain.value import Value


class State(StrEnum):
    """Where a mail stands. `stored` is in flight; `decided` may miss effects; `done` is final."""

    STORED = "stored"
    DECIDED = "decided"
    DONE = "done"
    QUARANTINED = "quarantined"


LEGAL_MOVES: frozenset[tuple[State, State]] = frozenset(
    {
        (State.STORED, State.DECIDED),
        (State.DECIDED, State.DONE),
        (State.STORED, State.QUARANTINED),
        (State.DECIDED, State.QUARANTINED),
        (State.QUARANTINED, State.STORED),
    }
)


class MailOrigin(Value):
    """Where and when a mail lay on its server. `internal_date` is the server's (IMAP INTERNALDATE), to the second.

    `outline_id` is what is known of it without its body (`identity.outline_id`); older entries have none.
    """

    mailbox: str
    folder: str
    uid_validity: int
    uid: int
    internal_date: datetime
    size: int
    content_id: str
    copy_number: int = 0
    raw_sha256: str
    outline_id: str | None = None


class Failure(Value):
    """The last thing that went wrong with a mail, without any text of it."""

    stage: str
    code: str
    what: str
    at: datetime


class LedgerEntry(Value):
    """What the books say about one mail. `mail_id` is its key everywhere."""

    mail_id: str
    origin: MailOrigin
    raw_kind: Literal["inline", "gridfs"] = "inline"
    headline: Headline = Headline()
    state: State
    decision: Decision | None = None
    trace: tuple[Step, ...] = ()
    attempts: int = 0
    next_attempt_at: datetime | None = None
    failure: Failure | None = None
    stored_at: datetime
    progress_at: datetime


class KnownMail(Value):
    """A mail of the books as others may refer to it, by its Message-ID."""

    mail_id: str
    mailbox: str
    message_id: str
    state: State
    decision: Decision | None = None
    stored_at: datetime


class DecisionWrite(Value):
    """A decision that wants to become the one of its mail, with the whole trace and the events it owes."""

    mail_id: str
    decision: Decision
    trace: tuple[Step, ...]
    outbox: tuple[OutboxEvent, ...] = ()
