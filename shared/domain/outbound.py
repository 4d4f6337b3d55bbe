"""Acknowledgements on their way out, and how a mailbox's sending is. Values only.

    pending ──▶ claimed ──▶ data_started ──▶ sent
       ▲           │             │  │ └────▶ failed_perm   5xx, or given up
       └───────────┴─────────────┘  └──────▶ unknown       no reply after the final dot: never sent again by itself
    suppressed: from the start, or from claimed

`data_started` goes back to `pending` only where the server said that it did not take the mail (4xx), or where the final
dot provably was not written.
"""

from datetime import datetime

from shared.domain.ticket import Acknowledgement, AcknowledgementState
from shared.domain.value import Value


class Claim(Value):
    """Who is at work on it, until when (server time)."""

    worker: str
    until: datetime


class Outbound(Value):
    """The acknowledgement of a ticket; there is one at most, under the ticket's id.

    `status` is what the ticket shows. `moves` counts its states, so that none shows over a later one; `turn` counts
    claims: only who holds the last one may move it on. `attempts` counts tries that the server put off; `counted`: the
    budgets have been asked. It is tried until a day after `since`; `taken_at` is when the ticket's event was taken.
    `mail_id` is the mail that opened the ticket; older ones do not say. `traceparent`: in which span that was taken.
    """

    ticket_id: str
    number: str
    mailbox: str
    status: Acknowledgement
    moves: int = 1
    turn: int = 0
    attempts: int = 0
    counted: bool = False
    claim: Claim | None = None
    since: datetime
    taken_at: datetime
    mail_id: str | None = None
    traceparent: str | None = None

    @property
    def state(self) -> AcknowledgementState:
        """How far it is."""
        return self.status.state


class SendingStatus(Value):
    """How a mailbox's sending is: a code for machines, a sentence for people. `failures` in a row; nobody tries before
    `retry_at`. `revision` is the mailbox's at the last try: what was changed since is tried at once."""

    mailbox: str
    up: bool
    code: str = ""
    sentence: str = ""
    failures: int = 0
    revision: int = 0
    since: datetime
    retry_at: datetime

    def forbids(self, revision: int, now: datetime) -> bool:
        """Whether this mailbox's server is to be left alone."""
        return not self.up and revision == self.revision and now < self.retry_at
