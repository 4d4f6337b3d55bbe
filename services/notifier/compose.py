"""The mail itself: header and text of an acknowledgement, checked on the bytes that are sent. Pure.

Written field by field, so that every byte is one we chose; nothing that came by mail goes in but message ids, and the
subject of a sender who was vouched for, both cleaned. Must never produce a header that it did not mean to.
"""

import quopri
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from email.header import Header
from email.utils import format_datetime
from typing import Final

from services.notifier.conditions.condition import Reason
from services.notifier.decide import Answer, Suppressed
from services.notifier.recipient import is_plain
from shared.domain.catalogue import Catalogue
from shared.domain.mailbox import Mailbox
from shared.domain.marks import Marks
from shared.domain.patterns import domain_of
from shared.domain.templates import render
from shared.domain.ticket import Ticket
from shared.mail import text

SUBJECT_MAX: Final = 120
"""Characters of the sender's subject that may be repeated."""
LINE_MAX: Final = 400
"""Characters of our own subject."""
REFERENCES_MAX: Final = 12
_ID: Final = re.compile(r"<[!-;=?-~]{1,250}>")
_FIELD: Final = re.compile(rb"([A-Za-z-]+): ([ -~]*(?:\r\n [ -~]+)*)\r\n")
_LINE_BYTES: Final = 998


@dataclass(frozen=True, slots=True)
class Letter:
    """An acknowledgement, ready to be sent: whom to, its Message-ID, and its bytes with CRLF line ends. `subject` and
    `text` are what people will read. The envelope's sender is always null."""

    recipient: str
    message_id: str
    subject: str
    text: str
    content: bytes


def compose(
    ticket: Ticket, mailbox: Mailbox, answer: Answer, marks: Marks, catalogue: Catalogue, at: datetime
) -> Letter | Suppressed:
    """The acknowledgement of a ticket; or why it cannot be written."""
    words = _words(ticket, mailbox, answer, marks, catalogue)
    subject = _subject(mailbox.spec.acknowledgements.subject, words)
    body = text.block(render(mailbox.spec.acknowledgements.text, words))
    message_id = marks.message_id(ticket.ticket_id, domain_of(mailbox.spec.email))
    fields = _fields(ticket, mailbox, answer.recipient, marks, subject, message_id, at)
    content = _bytes(fields, body)
    if not (is_plain(mailbox.spec.email) and is_plain(answer.recipient) and _as_meant(content, fields)):
        return Suppressed(Reason.NOT_COMPOSABLE, "The acknowledgement could not be written safely.")
    return Letter(answer.recipient, message_id, subject, body, content)


def _words(ticket: Ticket, mailbox: Mailbox, answer: Answer, marks: Marks, catalogue: Catalogue) -> dict[str, str]:
    place = ticket.classification
    service = catalogue.service(place.service)
    department = next((one for one in catalogue.departments if one.name == place.department), None)
    return {
        "number": ticket.number,
        "tag": marks.tag(ticket.number),
        "module": ticket.module.value,
        "mailbox": mailbox.spec.email,
        "service": text.line((service.title if service else "") or place.service or "", SUBJECT_MAX),
        "department": text.line((department.title if department else "") or place.department or "", SUBJECT_MAX),
        "subject": text.line(ticket.subject, SUBJECT_MAX) if answer.authenticated else "",
    }


def _subject(template: str, words: dict[str, str]) -> str:
    """Always with the tag, so that an answer finds its ticket whatever a mail program does to the other marks."""
    tag = f"[{words['tag']}]"
    subject = text.line(render(template, words), LINE_MAX)
    return subject if tag in subject else text.line(f"{subject[: LINE_MAX - len(tag) - 1]} {tag}", LINE_MAX)


def _fields(
    ticket: Ticket,
    mailbox: Mailbox,
    to: str,
    marks: Marks,
    subject: str,
    message_id: str,
    at: datetime,
) -> Sequence[tuple[str, str]]:
    original = ticket.articles[0].message_id if ticket.articles else None
    answered = _ids((original,) if original else ())
    references = _ids((*ticket.answerable.references, *((original,) if original else ())))
    plus = marks.plus_address(mailbox.spec.email, ticket.number) if mailbox.spec.replies.plus_addressing else ""
    fields = (
        ("From", mailbox.spec.email),
        ("To", to),
        ("Reply-To", plus),
        ("Subject", _encoded(subject)),
        ("Date", format_datetime(at)),
        ("Message-ID", message_id),
        ("In-Reply-To", "".join(answered)),
        ("References", "\r\n ".join(references)),
        ("Auto-Submitted", "auto-replied"),
        ("X-Auto-Response-Suppress", "All"),
        ("X-Ticket-Loop", marks.loop_marker(ticket.ticket_id)),
        ("MIME-Version", "1.0"),
        ("Content-Type", 'text/plain; charset="utf-8"'),
        ("Content-Transfer-Encoding", "quoted-printable"),
    )
    return [(name, value) for name, value in fields if value]


def _encoded(subject: str) -> str:
    """As it stands if it is ASCII and looks like nothing else; otherwise as encoded words (RFC 2047)."""
    plain = subject.isascii() and "=?" not in subject
    return Header(subject, "us-ascii" if plain else "utf-8", 75, "Subject").encode(linesep="\r\n")


def _ids(ids: Sequence[str]) -> tuple[str, ...]:
    """Message ids in their brackets, without doubles, only those that are nothing else: the first, and the last few."""
    bracketed = [one if one.startswith("<") else f"<{one}>" for one in ids]
    clean = tuple(dict.fromkeys(one for one in bracketed if _ID.fullmatch(one)))
    return clean if len(clean) <= REFERENCES_MAX else (clean[0], *clean[1 - REFERENCES_MAX :])


def _bytes(fields: Sequence[tuple[str, str]], body: str) -> bytes:
    head = "".join(f"{name}: {value}\r\n" for name, value in fields).encode("ascii", "replace")
    encoded = quopri.encodestring(f"{body.rstrip()}\n".encode()).replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
    return head + b"\r\n" + encoded


def _as_meant(content: bytes, fields: Sequence[tuple[str, str]]) -> bool:
    """Whether the produced bytes have exactly the fields that were meant, no line is too long or ends alone."""
    head, _, body = content.partition(b"\r\n\r\n")
    head += b"\r\n"
    found = list(_FIELD.finditer(head))
    whole = b"".join(one[0] for one in found) == head
    names = [one[1].decode("ascii") for one in found] == [name for name, _ in fields]
    lines = content.split(b"\r\n")
    alone = any(b"\r" in line or b"\n" in line or len(line) > _LINE_BYTES for line in lines)
    return whole and names and not alone and body.isascii()
