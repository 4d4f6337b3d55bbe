"""Raw bytes to a normalised email. Total: any bytes give an Email, and its flags say what was odd.

Order: header fields within their limits, structure within its limits, body, attachments. Must never raise, open an
attachment, follow a link or take more than linear time.
"""

import hashlib
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from shared.domain.email import Address, Attachment, Automatic, Email, SenderStatus
from shared.mail import addresses, attachments, authentication, automatic, bodies, headers, mime, reports, text
from shared.mail.bodies import Body
from shared.mail.flags import Flag
from shared.mail.head_alone import head_of, of_head
from shared.mail.headers import Headers
from shared.mail.mime import Part
from shared.mail.uuencoded import Inside

MAX_SUBJECT = 1_000
MAX_REPLY_TO = 10

_PRIORITIES = {
    "1": "high",
    "2": "high",
    "high": "high",
    "highest": "high",
    "urgent": "high",
    "3": "normal",
    "normal": "normal",
    "4": "low",
    "5": "low",
    "low": "low",
    "lowest": "low",
    "non-urgent": "low",
}
_STRUCTURES = {
    "multipart/signed": Flag.SIGNED,
    "multipart/encrypted": Flag.ENCRYPTED,
    "multipart/report": Flag.REPORT,
}


def parse(raw: bytes) -> Email:
    """The normalised email of any bytes at all. Never raises."""
    try:
        return _parse(raw)
    except MemoryError:
        return _unreadable(raw, Flag.OUT_OF_MEMORY)
    except Exception:  # noqa: BLE001  # totality is the promise: a mail that breaks the parser is still a mail
        return _unreadable(raw, Flag.UNPARSABLE)


def _parse(original: bytes) -> Email:
    raw = mime.line_ends(original)
    root, odd = mime.structure(raw)
    flags: list[str] = list(odd)
    body = bodies.read(raw, root, ambiguous=Flag.AMBIGUOUS in odd)
    flags.extend(body.flags)
    attached = _attachments(raw, root, body, flags)
    if not body.text.strip() and not attached:
        flags.append(Flag.EMPTY)
    sender, status, warnings = addresses.sender(root.headers)
    subject = _subject(root.headers.get(b"subject"), flags)
    flags.extend(warnings)
    return Email.model_validate(
        {
            **_from_headers(root.headers, flags),
            **_from_programs(raw, root, body, sender, subject),
            "sender": sender,
            "sender_status": status,
            "subject": subject,
            "text": body.text,
            "html": body.html,
            "attachments": attached,
            "size": len(original),
            "content_sha256": _content(raw, root, body, attached),
            "flags": tuple(str(one) for one in dict.fromkeys(flags)),
        }
    )


def _attachments(raw: bytes, root: Part, body: Body, flags: list[str]) -> tuple[Attachment, ...]:
    found: list[Attachment] = []
    for leaf in root.leaves():
        if leaf.number not in body.leaves and not _is_nothing(leaf):
            one, odd = attachments.reference(raw, leaf)
            found.append(one)
            flags.extend(odd)
            if attachments.is_tnef(one):
                found.extend(_unpacked([(leaf, file) for file in attachments.inside(raw, leaf)]))
    if body.files:
        found.extend(_unpacked(body.files))
        flags.append(Flag.FILES_IN_TEXT)
    flags.extend(_kinds(root))
    return tuple(found)


def _unpacked(files: Iterable[tuple[Part, Inside]]) -> Iterator[Attachment]:
    """The files inside leaves, numbered within each."""
    counts: dict[str, int] = {}
    for leaf, file in files:
        counts[leaf.number] = counts.get(leaf.number, 0) + 1
        yield attachments.unpacked(leaf, counts[leaf.number], file)


def _is_nothing(leaf: Part) -> bool:
    """Whether a leaf is empty and unnamed: a multipart that was never filled."""
    return leaf.start >= leaf.end and not attachments.given_name(leaf)


def _kinds(part: Part) -> list[Flag]:
    kinds = [_STRUCTURES[part.type.value]] if part.type.value in _STRUCTURES else []
    for child in part.children:
        kinds.extend(_kinds(child))
    return kinds


def _content(raw: bytes, root: Part, body: Body, attached: tuple[Attachment, ...]) -> str:
    """What mails of one content share: the hash of text and attachments; of the whole text where it was cut."""
    whole = hashlib.sha256(body.words.encode("utf-8", "replace"))
    numbers = {leaf.number for leaf in root.leaves()} if attached else ()
    for one in (one for one in attached if one.part in numbers or body.files):
        whole.update(f"\x00{one.sha256}".encode())
    if Flag.TEXT_TRUNCATED in body.flags:
        for leaf in root.leaves():
            if leaf.number in body.leaves:
                whole.update(raw[leaf.start : leaf.end])
    return whole.hexdigest()


def _from_headers(head: Headers, flags: list[str]) -> dict[str, object]:
    """The fields of an Email that stand in its header."""
    first = dict(reversed(head.fields))
    found, odd = addresses.recipients(head)
    vouching = authentication.results(head)
    flags.extend((*odd, *_list_flags(head, first)))
    reply_to, message_id = first.get(b"reply-to"), first.get(b"message-id")
    return {
        "message_id": _message_id(message_id, flags),
        "in_reply_to": headers.message_ids(first.get(b"in-reply-to")),
        "references": headers.message_ids(first.get(b"references")),
        "reply_to": tuple(addresses.mailboxes(reply_to, MAX_REPLY_TO, [])) if reply_to else (),
        "recipients": found,
        "date": _date(first.get(b"date"), flags),
        "auto_submitted": _auto_submitted(first.get(b"auto-submitted")),
        "precedence": headers.word(first.get(b"precedence")),
        "list_id": headers.line(first.get(b"list-id")),
        "importance": _importance(first),
        "loop_marker": headers.line(first.get(b"x-ticket-loop")),
        "suppress": headers.line(first.get(b"x-auto-response-suppress")),
        "authentication_results": tuple(one for _, one in vouching),
        "authentication_hops": tuple(hops for hops, _ in vouching) if any(hops for hops, _ in vouching) else (),
        "received_count": sum(name == b"received" for name, _ in head.fields),
    }


def _from_programs(raw: bytes, root: Part, body: Body, sender: Address | None, subject: str) -> dict[str, object]:
    """What kind of program wrote the mail, if one did, and the mails that it is about."""
    kind = automatic.kind(root.headers, root, sender, subject)
    about = kind is Automatic.BOUNCE or automatic.null_sender(root.headers)
    return {"automatic": kind, "reported_ids": reports.reported_ids(raw, root, body.text) if about else ()}


def _auto_submitted(value: bytes | None) -> str | None:
    """The word of Auto-Submitted; empty where the field is there and says nothing, which only a program does."""
    return None if value is None else headers.word(value) or ""


def _list_flags(head: Headers, first: dict[bytes, bytes]) -> list[Flag]:
    flags = [Flag.MAILING_LIST] if any(name.startswith(b"list-") for name in first) else []
    if automatic.null_sender(head):
        flags.append(Flag.NULL_SENDER)
    return flags


def _message_id(value: bytes | None, flags: list[str]) -> str | None:
    found = headers.message_id(value)
    if found is None:
        flags.append(Flag.NO_MESSAGE_ID)
    elif value is not None and not (value.startswith(b"<") and value.endswith(b">") and found.isascii()):
        flags.append(Flag.BAD_MESSAGE_ID)
    return found


def _subject(value: bytes | None, flags: list[str]) -> str:
    """The subject, decoded, on one line; empty if there is none (what people then see is the ticket's business)."""
    decoded, odd = headers.decode_flagged(value or b"", headers.MAX_LINE)
    flags.extend(odd)
    if len(decoded) > MAX_SUBJECT:
        flags.append(Flag.SUBJECT_CUT)
    return text.line(decoded, MAX_SUBJECT) if len(decoded) > MAX_SUBJECT else decoded


def _date(value: bytes | None, flags: list[str]) -> datetime | None:
    """The Date field in UTC, or None. Senders write what they like: never used for order or windows."""
    if not value:
        return None
    try:
        found = parsedate_to_datetime(value[:100].decode("ascii"))
        return (found if found.tzinfo else found.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, TypeError, IndexError, OverflowError, AttributeError):
        flags.append(Flag.BAD_DATE)
        return None


def _importance(first: dict[bytes, bytes]) -> str | None:
    """`high`, `normal` or `low`, from the first of Importance, X-Priority and Priority that says one (RFC 2156)."""
    for name in (b"importance", b"x-priority", b"x-msmail-priority", b"priority"):
        found = _PRIORITIES.get((headers.word(first.get(name)) or "").partition("(")[0])
        if found:
            return found
    return None


def _unreadable(raw: bytes, why: Flag) -> Email:
    """What can be said of a mail that broke the parser: its header alone; if that breaks it too, its size."""
    try:
        return of_head(_parse(head_of(raw)), raw, why)
    except Exception:  # noqa: BLE001  # best effort; the flag tells
        return Email(
            message_id=None,
            sender=None,
            sender_status=SenderStatus.AMBIGUOUS,
            subject="",
            text="",
            size=len(raw),
            content_sha256=hashlib.sha256(raw).hexdigest(),
            flags=(why.value,),
        )
