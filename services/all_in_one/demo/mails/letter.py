"""A demo mail as a value: who writes what to whom, and what must become of it; and its bytes.

Every mail carries the token of its run (Message-ID, X-Demo-Mail, last line of its body), so that a mail of this run is
never taken for one of an earlier run: neither by us, nor by the pipeline's own search for duplicates.
"""

from dataclasses import dataclass
from datetime import datetime
from email.utils import format_datetime

from services.all_in_one.demo.mails.entities import Body, plain
from shared.domain.decision import Kind, Priority, Reason

ADA = "Ada Customer <ada@customer.example>"
SHORT = plain("Please have a look at this. Thank you!")


@dataclass(frozen=True, slots=True)
class Expected:
    """What one mail must end as. Fields of the classification are compared only where they are given.

    `of` is the name of the mail whose ticket a duplicate is counted on.
    """

    kind: Kind
    reason: Reason
    service: str | None = None
    process: str | None = None
    department: str | None = None
    priority: Priority | None = None
    of: str | None = None


def ticket(
    service: str | None = None,
    *,
    process: str | None = None,
    department: str | None = None,
    priority: Priority | None = None,
) -> Expected:
    """It opens a ticket, classified like this."""
    return Expected(Kind.TICKET, Reason.TICKET_CREATED, service, process, department, priority)


def request(service: str | None = None, *, process: str | None = None) -> Expected:
    """It opens a request."""
    return Expected(Kind.TICKET, Reason.REQUEST_CREATED, service, process)


def rejected(reason: Reason) -> Expected:
    """It is rejected for this reason."""
    return Expected(Kind.REJECTED, reason)


def duplicate(of: str) -> Expected:
    """It is counted on the ticket of the mail of that name."""
    return Expected(Kind.DUPLICATE, Reason.DUPLICATE_OF, of=of)


@dataclass(frozen=True, slots=True)
class Letter:
    """One demo mail. `{mailbox}` in its address fields is the address of the mailbox that it is delivered to.

    `copy` delivers an identical second copy at the same second, and says how that one ends. `late` mails are delivered
    while the system runs; `again` ones on later runs, too. `message_id_of` and `body_of` name a mail whose Message-ID
    or body it shares; without `has_message_id` it has none at all.
    """

    name: str
    title: str
    subject: str
    expected: Expected
    body: Body = SHORT
    mailbox: str = "support"
    sender: str = ADA
    to: str = "{mailbox}"
    cc: str = ""
    headers: tuple[str, ...] = ()
    copy: Expected | None = None
    late: bool = False
    again: bool = False
    has_message_id: bool = True
    message_id_of: str = ""
    body_of: str = ""

    @property
    def address(self) -> str:
        """The address of its mailbox."""
        return address_of(self.mailbox)

    @property
    def ends(self) -> tuple[Expected, ...]:
        """How each of its copies must end."""
        return (self.expected,) if self.copy is None else (self.expected, self.copy)


def address_of(mailbox: str) -> str:
    """The address of a demo mailbox."""
    return f"{mailbox}@desk.example"


def message_id(letter: Letter, token: str) -> str | None:
    """The Message-ID that this mail has in the run of that token."""
    return f"<{token}.{letter.message_id_of or letter.name}@demo.example>" if letter.has_message_id else None


def subject(letter: Letter, token: str) -> str:
    """Its subject. One that has no Message-ID to be known by carries the token there."""
    return letter.subject if letter.has_message_id else f"{letter.subject} [{token}]"


def render(letter: Letter, token: str, now: datetime) -> bytes:
    """The mail's bytes: its header fields, then its body's."""
    ident = message_id(letter, token)
    lines = [
        f"Return-Path: {letter.sender[letter.sender.rfind('<') :]}",
        f"Received: from client.example by mx.desk.example; {format_datetime(now)}",
        f"From: {letter.sender}",
        *([f"To: {letter.to}"] if letter.to else []),
        *([f"Cc: {letter.cc}"] if letter.cc else []),
        *([f"Subject: {subject(letter, token)}"] if letter.subject else []),
        *([f"Message-ID: {ident}"] if ident else []),
        f"Date: {format_datetime(now)}",
        f"X-Demo-Mail: {token}/{letter.name}",
        *letter.headers,
        "MIME-Version: 1.0",
    ]
    head = "".join(f"{line}\r\n" for line in lines).replace("{mailbox}", letter.address).encode()
    raw = head + letter.body(f"Reference {token}/{letter.body_of or letter.name}")
    return raw.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
