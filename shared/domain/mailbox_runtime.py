"""What a fetcher knows about a mailbox while it runs: how far it has read, who reads it, and how it is."""

from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

from shared.domain.value import Value


class Cursor(Value):
    """How far a folder has been read.

    Every UID up to `low_water` that the server listed has a durable sighting. UIDs up to `baseline_uid` were there
    before the first connection and are not taken. `epoch` counts the UIDVALIDITY values seen so far.

    When UIDs are renumbered, `baseline_uid` means nothing any more: then mails that arrived before `baseline_at` are
    the ones not taken (None: all are). `listed` is how many mails the folder held after the last complete pass; None
    until there was one in this epoch. `account` tells which account the UIDs are of; `folder` is the folder's name, and
    the account behind it where the mailbox was pointed at another one since.

    `rollbacks` counts how often the server began its UIDs anew without a new UIDVALIDITY (restored from a backup).
    `passed_at` is when the last complete pass began, some minutes early: a mail that arrived before it and is new to us
    has come back, or was put there by somebody. `imported`: some of the mails that are not taken otherwise were,
    because an editor asked for them.
    """

    folder: str
    uid_validity: int
    epoch: int = 0
    low_water: int = 0
    baseline_uid: int = 0
    baseline_at: datetime | None = None
    listed: int | None = None
    account: str = ""
    rollbacks: int = 0
    passed_at: datetime | None = None
    imported: bool = False

    @property
    def validity(self) -> int:
        """What sightings are kept under. UIDVALIDITY has 32 bits (RFC 9051 section 2.3.1.1); roll-backs go above."""
        return self.uid_validity + (self.rollbacks << 32) if self.uid_validity > 0 else self.uid_validity


NOBODY = ""
"""The holder of a lease that was given back, or never granted."""


class Lease(Value):
    """Who may fetch a mailbox, until when (server time). `token` grows with every new holder: the fence."""

    holder: str
    token: int
    expires_at: datetime


class Asked(NamedTuple):
    """What became of a question for leases, by mailbox: those that were granted, and the others as they are written."""

    granted: dict[str, Lease]
    others: dict[str, Lease]


class Phase(StrEnum):
    """What the fetcher is doing with a mailbox."""

    CONNECTING = "connecting"
    IDLE = "idle"
    POLLING = "polling"
    FETCHING = "fetching"
    BACKOFF = "backoff"
    NEEDS_ATTENTION = "needs_attention"
    STOPPED = "stopped"


MASS_REAPPEARANCE = "mass_reappearance"
"""The code of a status that waits for a person's word on mails that came back."""


class MailboxStatus(Value):
    """How a mailbox is: a phase and a code for machines, a sentence for people."""

    state: Phase
    code: str = ""
    sentence: str = ""
    since: datetime
    last_success_at: datetime | None = None
    connected_at: datetime | None = None
    server_messages: int | None = None
    certificate_until: datetime | None = None


class Standing(Value):
    """How a mailbox is, and whether somebody reads it at this moment: whether its lease is in force."""

    lease: Lease
    read: bool
    status: MailboxStatus | None = None
