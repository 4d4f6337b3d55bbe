"""What people ask of the fetcher that reads a mailbox."""

from datetime import date, datetime

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


class OldMail(Value):
    """Somebody asked how much mail lay in a folder before its mailbox began and has no outcome, and, once it is
    confirmed, that it is taken.

    `since`: only what arrived on that day or later, as the mail server counts days; None: all of it. `count` is missing
    until a fetcher has counted, under the UIDs of `place` (see Cursor). `failure` says why it could not be taken.
    """

    number: int
    who: str
    since: date | None = None
    asked_at: datetime
    count: int | None = None
    place: str = ""
    confirmed_by: str = ""
    confirmed_at: datetime | None = None
    ended_at: datetime | None = None
    failure: str = ""

    @property
    def is_counting(self) -> bool:
        """Whether a fetcher is still to count."""
        return self.count is None

    @property
    def is_taking(self) -> bool:
        """Whether a fetcher is still to take them."""
        return self.confirmed_at is not None and self.ended_at is None

    @property
    def is_open(self) -> bool:
        """Whether a fetcher has something to do."""
        return self.is_counting or self.is_taking


class Wishes(Value):
    """The last wish of each kind for one mailbox, fulfilled or not."""

    reading: Reading | None = None
    old_mail: OldMail | None = None
