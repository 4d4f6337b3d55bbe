"""Identity: every id is derived from the mail, so that doing a thing twice is doing it once."""

import base64
import hashlib
from datetime import UTC, datetime


def _base32(digest: bytes) -> str:
    return base64.b32encode(digest).decode("ascii").rstrip("=").lower()


def content_id(mailbox: str, internal_date: datetime, raw: bytes) -> str:
    """What two copies of one mail share: base32(sha256(mailbox, INTERNALDATE in whole seconds, raw bytes))."""
    head = f"{mailbox}\x00{int(internal_date.astimezone(UTC).timestamp())}\x00".encode()
    return _base32(hashlib.sha256(head + raw).digest())


def outline_id(mailbox: str, internal_date: datetime, size: int, head: bytes) -> str:
    """What can be known of a mail without its body: mailbox, INTERNALDATE, announced size and header block.

    `head` is the header block or the whole mail; what stands behind its first empty line does not count. Two mails
    that share it are the same in all but what a server keeps to itself: see `services.fetcher.recognition`.
    """
    block = head.partition(b"\r\n\r\n")[0].strip(b"\r\n")
    place = f"outline\x00{mailbox}\x00{int(internal_date.astimezone(UTC).timestamp())}\x00{size}\x00".encode()
    return _base32(hashlib.sha256(place + block).digest()[:20])


def mail_id(content: str, copy_number: int) -> str:
    """The id of a mail: its content id and its copy number, which counts identical copies that are there at once.

    Renumbered UIDs, a restored mailbox or mail moved out and back give the same id; two copies that were really
    delivered give two.
    """
    if copy_number < 0:
        raise ValueError("a copy number is 0 or more")
    return _base32(hashlib.sha256(f"mail\x00{content}\x00{copy_number}".encode()).digest())


def ticket_id(mail: str) -> str:
    """The id of the ticket that a mail opens."""
    return _base32(hashlib.sha256(f"ticket\x00{mail}".encode()).digest()[:20])


def event_id(mail: str, event_type: str, version: int = 1) -> str:
    """The id of the event of that type about a mail; the same on every repetition. `version` is the decision's."""
    return _base32(hashlib.sha256(f"event\x00{event_type}\x00{mail}\x00{version}".encode()).digest()[:20])


def number(prefix: str, count: int) -> str:
    """A number for people: `INC-000042`. It grows beyond six digits when it must."""
    return f"{prefix}-{count:06d}"


def trace_id(mail: str) -> str:
    """The id of the one trace of a mail, 32 hexadecimal digits: whoever meets the mail knows it, however it came."""
    return hashlib.sha256(f"trace\x00{mail}".encode()).hexdigest()[:32]


def first_span_id(mail: str) -> str:
    """The id of the span in which a mail was fetched, 16 hexadecimal digits: the root of its trace."""
    return hashlib.sha256(f"span\x00{mail}".encode()).hexdigest()[:16]
