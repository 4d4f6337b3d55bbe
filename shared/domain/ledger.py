"""The ledger: one entry per mail, and the moves that are legal."""

from datetime import datetime
from enum import StrEnum
from typing import Literal

from shared.domain.decision import Decision, Overruling, Step
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
        (State.QUARANTINED, State.DECIDED),
        (State.DONE, State.STORED),
    }
)


class MailOrigin(Value):
    """Where and when a mail lay on its server. `internal_date` is the server's (IMAP INTERNALDATE), to the second.

    `outline_id` is what is known of it without its body (`identity.outline_id`); older entries have none. `imported`:
    it lay there before its mailbox began, and was taken because an editor asked for it.
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
    imported: bool = False


class Failure(Value):
    """The last thing that went wrong with a mail, without any text of it."""

    stage: str
    code: str
    what: str
    at: datetime


class Replay(Value):
    """A person's order to send a mail through the pipeline again. `as_ticket`: whatever the filter says of it."""

    who: str
    why: str
    at: datetime
    as_ticket: bool = False

    @property
    def overruling(self) -> Overruling | None:
        """What the filter is told, if it is told anything."""
        return Overruling(who=self.who, why=self.why) if self.as_ticket else None


class Replaced(Value):
    """A rejection that a replay replaced, with its trace."""

    decision: Decision
    trace: tuple[Step, ...] = ()
    replay: Replay


class Alone(Value):
    """How often a stage has begun to work on a mail alone, because its deliveries so far ended with the process."""

    stage: str
    times: int


class Gone(Value):
    """What was deleted of a mail that has come to its end, and when; None: it is there. `raw`: its bytes; `trace`: what
    each stage said; `row`: who sent it, and what it was about. `erased`: all of it, because a person asked for that."""

    raw: datetime | None = None
    trace: datetime | None = None
    row: datetime | None = None
    erased: datetime | None = None


class LedgerEntry(Value):
    """What the books say about one mail. `mail_id` is its key everywhere.

    `version` is that of its decision, or of the decision it waits for: a replay of a rejected mail raises it and keeps
    what was decided before in `history`. `replay` is the last order to send it again.
    """

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
    version: int = 1
    history: tuple[Replaced, ...] = ()
    replay: Replay | None = None
    alone: Alone | None = None
    gone: Gone = Gone()


class KnownMail(Value):
    """A mail of the books as others may refer to it, by its Message-ID."""

    mail_id: str
    mailbox: str
    message_id: str
    state: State
    decision: Decision | None = None
    stored_at: datetime


class DecisionWrite(Value):
    """A decision that wants to become the one of its mail, with the whole trace and the events it owes.

    With a `mailbox`, only if the mail is of that one.
    """

    mail_id: str
    decision: Decision
    trace: tuple[Step, ...]
    outbox: tuple[OutboxEvent, ...] = ()
    mailbox: str | None = None
