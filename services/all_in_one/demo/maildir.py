"""Maildir delivery as a mail delivery agent does it: written to tmp, renamed into new (cr.yp.to/proto/maildir.html)."""

import os
import uuid
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Maildir:
    """A Maildir++ tree at `root`, owned by the user and group `owner`."""

    root: Path
    owner: tuple[int, int]

    def path(self, folder: str) -> Path:
        """The Maildir of a folder (`INBOX` is the root, `A/B` is `.A.B`); made if it is not there."""
        place = self.root if folder == "INBOX" else self.root / f".{folder.replace('/', '.')}"
        if not (place / "new").exists():
            for part in ("tmp", "cur", "new"):
                (place / part).mkdir(parents=True, exist_ok=True)
            self._own(place)
        return place

    def deliver(self, raw: bytes, folder: str, received: datetime | None) -> Path:
        """Lay one mail into `new`. `received` becomes its modification time, which Dovecot shows as INTERNALDATE.

        The name begins with the time of delivery: by it a server gives UIDs to mails that it finds at once.
        """
        place, unique = self.path(folder), uuid.uuid4().hex
        draft = place / "tmp" / unique
        draft.write_bytes(raw)
        seconds, nanoseconds = divmod(draft.stat().st_mtime_ns, 10**9)
        os.chown(draft, *self.owner)
        if received is not None:
            os.utime(draft, (received.timestamp(), received.timestamp()))
        return draft.rename(place / "new" / f"{seconds}.M{nanoseconds // 1000:06}P{unique}.demo")

    def _own(self, place: Path) -> None:
        for one in (self.root.parent, self.root, place, place / "tmp", place / "cur", place / "new"):
            os.chown(one, *self.owner)
