"""Fingerprints: what two mails share when one repeats the other. Pure.

Never the Message-ID alone (broken senders reuse them), and never across mailboxes: the mailbox is part of each key.
"""

import hashlib
from dataclasses import dataclass
from datetime import timedelta

from shared.domain.email import Email
from shared.domain.mailbox import Mailbox
from shared.mail.subject import normalise_subject


@dataclass(frozen=True, slots=True)
class FingerprintKey:
    """A key (64 hexadecimal digits) that the first mail to claim it owns; `windowed` if only for some time."""

    key: str
    windowed: bool

    def window(self, mailbox: Mailbox) -> timedelta | None:
        """For how long the key counts in that mailbox; None for ever."""
        return timedelta(hours=mailbox.spec.domains.duplicate_window_hours) if self.windowed else None


def needed(mailbox: Mailbox) -> bool:
    """Whether mail of this mailbox has to claim its fingerprints at all."""
    return not mailbox.spec.domains.allow_duplicates


def keys(mailbox: str, mail: Email, *, answers_ours: bool = False) -> tuple[FingerprintKey, ...]:
    """The keys of a mail in the mailbox of that name: Message-ID and content; and sender, normalised subject and
    content within the window. A mail without Message-ID, or without a certain sender, lacks that key; one that answers
    a mail of ours lacks the second: two answers that say "thanks" are two."""
    found: list[FingerprintKey] = []
    if mail.message_id:
        found.append(
            FingerprintKey(_digest(mailbox, "message-id", mail.message_id, mail.content_sha256), windowed=False)
        )
    if mail.sender is not None and not answers_ours:
        subject = normalise_subject(mail.subject)
        found.append(
            FingerprintKey(_digest(mailbox, "sender", mail.sender.address, subject, mail.content_sha256), windowed=True)
        )
    return tuple(found)


def _digest(*fields: str) -> str:
    return hashlib.sha256("\x00".join(fields).encode("utf-8", "replace")).hexdigest()
