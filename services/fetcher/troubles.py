"""Mails that the server cannot give, or that break the connection: fetched alone, last, and after some tries a hole.

Remembered from connection to connection, in this process only.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

MAX_TRIES = 3
HOLE_RETRY_SECONDS = 3600.0


@dataclass(slots=True)
class Troubles:
    """Which UIDs failed, how often alone, and when a hole gets its next chance (monotonic seconds)."""

    mailbox: str
    uid_validity: int = 0
    tries: dict[int, int] = field(default_factory=dict[int, int])
    hole_due: dict[int, float] = field(default_factory=dict[int, float])
    doubted: set[int] = field(default_factory=set[int])
    """Asked for their size and date when the connection broke: one of these may have broken it."""
    headless: set[int] = field(default_factory=set[int])
    """Asked for their headers when the connection broke: not asked for them again."""

    def under(self, uid_validity: int) -> "Troubles":
        """These troubles, forgotten if the UIDs mean something else by now."""
        if self.uid_validity != uid_validity:
            self.uid_validity = uid_validity
            self.tries.clear()
            self.hole_due.clear()
            self.doubted.clear()
            self.headless.clear()
        return self

    def failed(self, uid: int, *, alone: bool) -> None:
        """It was not fetched. Only a failure alone counts: in a batch it may be another one's fault."""
        self.tries[uid] = self.tries.get(uid, 0) + alone

    def untold(self, uids: Sequence[int]) -> None:
        """The connection broke when these were asked for their size and date."""
        self.doubted.update(uids)
        if len(uids) == 1:
            self.failed(uids[0], alone=True)

    def is_hopeless(self, uid: int) -> bool:
        """Whether it has failed alone too often."""
        return self.tries.get(uid, 0) >= MAX_TRIES

    def give_up(self, uid: int, now: float) -> None:
        """It is a hole now."""
        self.tries.pop(uid, None)
        self.doubted.discard(uid)
        self.headless.discard(uid)
        self.hole_due[uid] = now + HOLE_RETRY_SECONDS

    def due(self, holes: Sequence[int], now: float) -> list[int]:
        """The holes that get another chance now, ascending; each gets one per hour."""
        due = sorted(uid for uid in holes if self.hole_due.get(uid, now) <= now)
        self.hole_due.update(dict.fromkeys(due, now + HOLE_RETRY_SECONDS))
        return due
