"""Mail of every kind, with its token in header and body, and what must become of it. Seeded; one author of all mail."""

import hashlib
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from services.all_in_one.demo.dovecot import Dovecot
from tests.chaos.oracle import Ends, Injected, Oracle
from tests.support.mails import Attached, mail

TOKEN_HEADER = "X-Chaos-Token"
BLOCKED = "spam.example"
SENDERS = "people.example"
BODY = "Word "


@dataclass(frozen=True)
class Kind:
    """A kind of mail: how often it comes (in parts of all), how it ends, and whether its sender gets an answer."""

    name: str
    weight: int
    ends: Ends
    acknowledged: bool = False


KINDS = (
    Kind("new", 55, Ends.TICKET, acknowledged=True),
    Kind("attachment", 10, Ends.TICKET, acknowledged=True),
    Kind("reply", 12, Ends.REPLY),
    Kind("duplicate", 5, Ends.DUPLICATE),
    Kind("blocked", 8, Ends.REJECTED),
    Kind("automatic", 5, Ends.TICKET),
    Kind("list", 5, Ends.TICKET),
    Kind("null", 3, Ends.TICKET),
    Kind("own", 3, Ends.REJECTED),
)


@dataclass
class Traffic:
    """Delivers mail to mailboxes (user names) of a Dovecot. `related`: whether mails answer and repeat others."""

    oracle: Oracle
    dovecot: Dovecot
    mailboxes: tuple[str, ...]
    seed: int
    related: bool = True
    count: int = 0
    originals: list[tuple[Injected, bytes]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._chance = random.Random(self.seed)

    def deliver(self, number: int = 1) -> list[Injected]:
        """Deliver so many, of all kinds."""
        return [self._one() for _ in range(number)]

    def _one(self) -> Injected:
        kind = self._chance.choices(KINDS, [one.weight for one in KINDS])[0]
        if kind.name in ("reply", "duplicate") and not (self.related and self.originals):
            kind = KINDS[0]
        self.count += 1
        token = f"t{self.seed}x{self.count}"
        mailbox, raw, of = self._written(kind, token)
        injected = Injected(
            token, mailbox, kind.name, kind.ends, hashlib.sha256(raw).hexdigest(), kind.acknowledged, of
        )
        self.oracle.attempt(injected)
        self.dovecot.deliver(mailbox, raw)
        self.oracle.delivered(token)
        if kind.name == "new":
            self.originals.append((injected, raw))
        return injected

    def _written(self, kind: Kind, token: str) -> tuple[str, bytes, str]:
        if kind.name == "duplicate":
            original, raw = self._chance.choice(self.originals)
            # The same Message-ID, sender and text: only a header that no content hash covers tells them apart.
            header = f"{TOKEN_HEADER}: {original.token}\r\n".encode()
            return original.mailbox, raw.replace(header, f"{TOKEN_HEADER}: {token}\r\n".encode(), 1), original.token
        mailbox = self._chance.choice(self.mailboxes)
        if kind.name == "reply":
            original, _ = self._chance.choice(self.originals)
            mailbox, of = original.mailbox, original.token
        else:
            of = ""
        return mailbox, self._raw(kind, token, mailbox, of), of

    def _raw(self, kind: Kind, token: str, mailbox: str, of: str) -> bytes:
        sender = f"{of or token}@{BLOCKED if kind.name == 'blocked' else SENDERS}"
        headers = {TOKEN_HEADER: token}
        if kind.name == "own":
            sender = f"{self._chance.choice(self.mailboxes)}@example.com"
        if kind.name == "null":
            headers["Return-Path"] = "<>"
        if of:
            headers["In-Reply-To"] = headers["References"] = f"<{of}@{SENDERS}>"
        if kind.name == "automatic":
            headers["Auto-Submitted"] = "auto-generated"
        if kind.name == "list":
            headers |= {"List-Id": "<news.lists.example>", "Precedence": "list"}
        attachments = ()
        if kind.name == "attachment":
            attachments = (Attached("scan.bin", self._chance.randbytes(self._chance.randint(20_000, 200_000))),)
        return mail(
            sender=sender,
            to=f"{mailbox}@example.com",
            subject=f"{'Re: ' if of else ''}Matter {of or token}",
            text=f"{token}\n" + BODY * self._chance.randint(1, 400) + "\n",
            message_id=f"<{token}@{SENDERS}>",
            headers=headers,
            attachments=attachments,
        )


def tokens_in(folder: Path) -> Iterator[str]:
    """The tokens of the mails that lie in a Maildir."""
    for part in ("new", "cur"):
        for file in (folder / part).iterdir():
            yield token_of(file.read_bytes())


def token_of(raw: bytes) -> str:
    """The token of a raw mail; empty if it is none of ours."""
    head = raw[:16_384]
    mark = f"{TOKEN_HEADER}: ".encode()
    at = head.find(mark)
    return head[at + len(mark) :].split(b"\r\n", 1)[0].decode() if at >= 0 else ""
