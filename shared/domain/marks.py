"""Marks that our own mails carry, keyed so that nobody else can make one: in Message-ID, address, subject and header.

A mark is a ticket's id or number with a message authentication code (HMAC-SHA256, RFC 2104, truncated). Pure: the keys
come from the store. Must never say more about a ticket than its id or number.
"""

import base64
import hashlib
import hmac
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from shared.domain.email import Email

KEY_BYTES = 32
_ID_CHARACTERS, _PLUS_CHARACTERS, _TAG_CHARACTERS = 16, 10, 8
"""Characters of base32, so 80, 50 and 40 bits. The tag of a subject is the shortest and trusted the least."""

_MESSAGE_ID = re.compile(r"<?ack\.([a-z2-7]{32})\.([a-z2-7]{16})@", re.IGNORECASE)
_PLUS = re.compile(r"([^@]+)\+([a-z]{2,5}-[0-9]{6,12})\.([a-z2-7]{10})(@[^@]+)", re.IGNORECASE)
_TAG = re.compile(r"\[([A-Z]{2,5}-[0-9]{6,12})[ \u00a0]{1,3}#([a-z2-7]{8})\]", re.IGNORECASE)
_LOOP = re.compile(r"v1\.([a-z2-7]{32})\.([a-z2-7]{16})")


class MarkedBy(StrEnum):
    """Where a mail carries a mark, the strongest first."""

    IN_REPLY_TO = "in_reply_to"
    REFERENCES = "references"
    PLUS_ADDRESS = "plus_address"
    REPORTED = "reported"
    """A delivery report names the Message-ID of a mail of ours."""
    SUBJECT = "subject"


@dataclass(frozen=True, slots=True)
class Mark:
    """A genuine mark: where it stands, and the ticket's id or its number (the other is None)."""

    by: MarkedBy
    ticket_id: str | None = None
    number: str | None = None


class Marks:
    """Makes marks with the newest key and knows those of every key. `keys` are of KEY_BYTES, the newest first."""

    def __init__(self, keys: Sequence[bytes]) -> None:
        if not keys:
            raise ValueError("marks need a key")
        self._keys = tuple(keys)

    def message_id(self, ticket_id: str, domain: str) -> str:
        """The Message-ID of the acknowledgement of a ticket, in its angle brackets; always the same."""
        return f"<ack.{ticket_id}.{self._code('id', ticket_id, _ID_CHARACTERS)}@{domain}>"

    def plus_address(self, address: str, number: str) -> str:
        """`support+inc-000042.<code>@example.com`: answers to it belong to that ticket (RFC 5233)."""
        local, _, domain = address.rpartition("@")
        return f"{local}+{number.lower()}.{self._code('plus', number.upper(), _PLUS_CHARACTERS)}@{domain}"

    def tag(self, number: str) -> str:
        """`INC-000042 #<code>`: what stands in brackets in a subject."""
        return f"{number} #{self._code('tag', number.upper(), _TAG_CHARACTERS)}"

    def loop_marker(self, ticket_id: str) -> str:
        """The value of `X-Ticket-Loop` on a mail of ours about a ticket."""
        return f"v1.{ticket_id}.{self._code('loop', ticket_id, _ID_CHARACTERS)}"

    def is_loop_marker(self, value: str | None) -> bool:
        """Whether a header's value is a marker that we made."""
        found = _LOOP.fullmatch((value or "").strip())
        return found is not None and self._genuine("loop", found[1], found[2])

    def base_address(self, address: str) -> str:
        """The address without its mark, if it carries a genuine one; else the address as it is."""
        found = _PLUS.fullmatch(address)
        return f"{found[1]}{found[4]}" if found and self._genuine("plus", found[2].upper(), found[3]) else address

    def of(self, mail: Email) -> tuple[Mark, ...]:
        """The genuine marks of a mail, the strongest first: In-Reply-To, References (the newest first), the addresses
        it was sent to, the mails that a delivery report is about, the subject."""
        return tuple(dict.fromkeys(self._found(mail)))

    def forged(self, mail: Email) -> bool:
        """Whether a mail carries something that looks like a mark of ours and is none."""
        ids = (*mail.in_reply_to, *mail.references, *mail.reported_ids)
        return (
            any(_MESSAGE_ID.match(one) and self._id(one) is None for one in ids)
            or any(self._plus(one.address) is None for one in mail.recipients if _PLUS.fullmatch(one.address))
            or sum(1 for _ in self._tags(mail.subject)) < len(_TAG.findall(mail.subject))
            or (mail.loop_marker is not None and not self.is_loop_marker(mail.loop_marker))
        )

    def _found(self, mail: Email) -> Iterator[Mark]:
        placed = (
            (MarkedBy.IN_REPLY_TO, mail.in_reply_to),
            (MarkedBy.REFERENCES, tuple(reversed(mail.references))),
        )
        for by, ids in placed:
            yield from (Mark(by, ticket_id=found) for one in ids if (found := self._id(one)))
        for one in mail.recipients:
            if number := self._plus(one.address):
                yield Mark(MarkedBy.PLUS_ADDRESS, number=number)
        yield from (Mark(MarkedBy.REPORTED, ticket_id=found) for one in mail.reported_ids if (found := self._id(one)))
        yield from (Mark(MarkedBy.SUBJECT, number=number) for number in self._tags(mail.subject))

    def _id(self, message_id: str) -> str | None:
        found = _MESSAGE_ID.match(message_id)
        return found[1].lower() if found and self._genuine("id", found[1].lower(), found[2]) else None

    def _plus(self, address: str) -> str | None:
        found = _PLUS.fullmatch(address)
        return found[2].upper() if found and self._genuine("plus", found[2].upper(), found[3]) else None

    def _tags(self, subject: str) -> Iterator[str]:
        for found in _TAG.finditer(subject):
            if self._genuine("tag", found[1].upper(), found[2]):
                yield found[1].upper()

    def _genuine(self, purpose: str, value: str, code: str) -> bool:
        given = code.lower()
        return any(hmac.compare_digest(_code(key, purpose, value, len(given)), given) for key in self._keys)

    def _code(self, purpose: str, value: str, characters: int) -> str:
        return _code(self._keys[0], purpose, value, characters)


def _code(key: bytes, purpose: str, value: str, characters: int) -> str:
    digest = hmac.new(key, f"{purpose}\x00{value}".encode(), hashlib.sha256).digest()
    return base64.b32encode(digest).decode("ascii").lower()[:characters]
