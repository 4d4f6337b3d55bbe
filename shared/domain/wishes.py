"""What people ask of the fetcher that reads a mailbox."""

from datetime import datetime

from shared.domain.value import Value


class Reading(Value):
    """Somebody asked that a mailbox is read at once. Open until `ended_at`; `failure` says why it could not be read.

    `number` tells it from those before and after it.
    """

    number: int
    who: str
    asked_at: datetime
    ended_at: datetime | None = None
    failure: str = ""

    @property
    def is_open(self) -> bool:
        """Whether the mailbox is still to be read."""
        return self.ended_at is None


class Wishes(Value):
    """The last wish of each kind for one mailbox, fulfilled or not."""

    reading: Reading | None = None
