"""Sightings: which UIDs of a folder have been seen, and what they turned out to be. A short cut, not a key."""

from datetime import datetime
from enum import StrEnum

from shared.domain.value import Value


class Sight(StrEnum):
    """What a UID was: a mail of ours, one that could not be fetched yet, one that was listed and then gone, or one that
    had arrived before the mailbox was first connected and got a new UID since."""

    MAIL = "mail"
    HOLE = "hole"
    VANISHED = "vanished"
    EARLIER = "earlier"


class Sighting(Value):
    """One UID of one folder under one UIDVALIDITY (RFC 9051 section 2.3.1.1).

    `content_id` and `mail_id` are known for a mail only.
    """

    mailbox: str
    folder: str
    uid_validity: int
    uid: int
    content_id: str | None = None
    mail_id: str | None = None
    state: Sight = Sight.MAIL
    seen_at: datetime
