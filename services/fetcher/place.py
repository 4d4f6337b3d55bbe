"""Where UIDs belong. A value only."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Place:
    """A folder under one UIDVALIDITY (`Cursor.validity`)."""

    mailbox: str
    folder: str
    uid_validity: int
