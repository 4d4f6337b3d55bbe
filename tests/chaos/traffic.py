"""Mail of every kind, with its token in header and body, and what must become of it. Seeded; one author of all mail."""

import hashlib
import random
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from services.all_in_one.demo.dovecot import Dovecot
from tests.chaos.oracle import Ends, Injected, Oracle
from tests.support.mails import Attached, mail

TOKEN_HEADER = "X-Chaos-Token"
ANSWERED_AFTER = 1.5
"""Seconds before a mail is answered or repeated: an answer that overtakes its mail becomes a ticket of its own."""
BLOCKED = "spam.example"
SENDERS = "people.example"
BODY = "Word "


@dataclass(frozen=True)
class Kind:
    """A kind of mail: how often it comes (in parts of all), how it ends, and whether its sender may get an answer."""

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
    Kind("large", 0, Ends.TICKET, acknowledged=True),
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
        self._young: deque[tuple[float, tuple[Injected, bytes]]] = deque()

    def deliver(self, number: int = 1) -> list[Injected]:
        """Deliver so many, of all kinds."""
        return [self._one() for _ in range(number)]

    def deliver_one(self, name: str, about: Injected | None = None) -> Injected:
        """Deliver one of a kind; a reply or duplicate is about that mail, or about any."""
        kind = next(one for one in KINDS if one.name == name)
        known = (*self.originals, *(one for _, one in self._young))
        return self._one(kind, next((one for one in known if one[0] == about), None))

    def lay_aside(self, user: str, folder: str, mailbox: str) -> tuple[Injected, Path]:
        """Deliver a new mail into another folder of a user, which is the mailbox of that name; and where it lies. The
        checker does not look for it there, only for what became of it."""
        injected, raw = self._next(KINDS[0], None, mailbox)
        self.oracle.attempt(injected)
        return injected, self.dovecot.deliver(user, raw, folder)

    def _one(self, kind: Kind | None = None, about: tuple[Injected, bytes] | None = None) -> Injected:
        while self._young and self._young[0][0] < time.monotonic() - ANSWERED_AFTER:
            self.originals.append(self._young.popleft()[1])
        kind = kind or self._chance.choices(KINDS, [one.weight for one in KINDS])[0]
        if kind.name in ("reply", "duplicate") and not (about or (self.related and self.originals)):
            kind = KINDS[0]
        injected, raw = self._next(kind, about)
        self._deliver(injected, raw)
        if kind.name == "new":
            self._young.append((time.monotonic(), (injected, raw)))
        return injected

    def _next(self, kind: Kind, about: tuple[Injected, bytes] | None, mailbox: str = "") -> tuple[Injected, bytes]:
        token = self.token()
        mailbox, raw, of = self._written(kind, token, about, mailbox)
        return _injected(token, mailbox, kind, raw, of), raw

    def token(self) -> str:
        """A new one, for a mail that is injected next."""
        self.count += 1
        return f"t{self.seed}x{self.count}"

    def inject(self, token: str, mailbox: str, kind: Kind, raw: bytes, *, of: str = "", sender: str = "") -> Injected:
        """Deliver one mail that bears this token; the oracle knows of it before."""
        injected = _injected(token, mailbox, kind, raw, of, sender)
        self._deliver(injected, raw)
        return injected

    def inject_any(self, kind: Kind, raw: Callable[[str, str], bytes], *, sender: str = "") -> Injected:
        """Deliver one mail to some mailbox; `raw` writes it for its token and that mailbox's address."""
        token, mailbox = self.token(), self._chance.choice(self.mailboxes)
        return self.inject(token, mailbox, kind, raw(token, f"{mailbox}@example.com"), sender=sender)

    def _deliver(self, injected: Injected, raw: bytes) -> None:
        self.oracle.attempt(injected)
        self.dovecot.deliver(injected.mailbox, raw)
        self.oracle.delivered(injected.token)

    def _written(
        self, kind: Kind, token: str, about: tuple[Injected, bytes] | None, mailbox: str
    ) -> tuple[str, bytes, str]:
        if kind.name == "duplicate":
            original, raw = about or self._chance.choice(self.originals)
            # The same Message-ID, sender and text: only a header that no content hash covers tells them apart.
            header = f"{TOKEN_HEADER}: {original.token}\r\n".encode()
            return original.mailbox, raw.replace(header, f"{TOKEN_HEADER}: {token}\r\n".encode(), 1), original.token
        mailbox = mailbox or self._chance.choice(self.mailboxes)
        if kind.name == "reply":
            original, _ = about or self._chance.choice(self.originals)
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
        if kind.name in ("attachment", "large"):
            smallest = 20_000 if kind.name == "attachment" else 1_300_000
            size = self._chance.randint(smallest, smallest + 180_000)
            attachments = (Attached("scan.bin", self._chance.randbytes(size)),)
        return mail(
            sender=sender,
            to=f"{mailbox}@example.com",
            subject=f"{'Re: ' if of else ''}Matter {of or token}",
            text=f"{token}\n" + BODY * self._chance.randint(1, 400) + "\n",
            message_id=f"<{token}@{SENDERS}>",
            headers=headers,
            attachments=attachments,
        )


def _injected(token: str, mailbox: str, kind: Kind, raw: bytes, of: str, sender: str = "") -> Injected:
    digest = hashlib.sha256(raw).hexdigest()
    return Injected(token, mailbox, kind.name, kind.ends, digest, kind.acknowledged, of, sender)


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
