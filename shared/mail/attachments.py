"""Attachments: references into the raw mail, by IMAP part number. Nothing is unpacked, executed or previewed here."""

import hashlib

from shared.domain.email import Attachment
from shared.mail import filenames, headers, mime, parameters, text, tnef, transfer, uuencoded
from shared.mail.flags import Flag
from shared.mail.mime import Part
from shared.mail.uuencoded import Inside

_ODD_TYPES = {
    "message/partial": Flag.PARTIAL,
    "message/external-body": Flag.EXTERNAL_BODY,
    "text/calendar": Flag.CALENDAR,
    "application/ics": Flag.CALENDAR,
    "application/pkcs7-signature": Flag.SIGNED,
    "application/x-pkcs7-signature": Flag.SIGNED,
    "application/pgp-signature": Flag.SIGNED,
    "application/pgp-encrypted": Flag.ENCRYPTED,
}
_SMIME = ("application/pkcs7-mime", "application/x-pkcs7-mime")
_OPAQUE = ("signed-data", "certs-only", "compressed-data", "signed-receipt")
_MAILS = ("message/rfc822", "message/global", "message/news")
_TNEF = ("application/ms-tnef", "application/vnd.ms-tnef")


def reference(raw: bytes, part: Part) -> tuple[Attachment, tuple[Flag, ...]]:
    """What is known of an attached part. Its size and sha256 are those of the decoded bytes."""
    data, flags = transfer.decode(raw[part.start : part.end], part.headers.get(b"content-transfer-encoding"))
    disposition = part.disposition
    content_type = parameters.media_type(part.type.value)
    content_id = text.line(headers.unicode(part.headers.get(b"content-id") or b""), 255).strip("<> ") or None
    found = Attachment(
        part=part.number,
        filename=_filename(part, disposition.parameters, content_type, data),
        content_type=content_type,
        size=len(data),
        sha256=hashlib.sha256(data).hexdigest(),
        content_id=content_id,
        inline=disposition.value == "inline" or (content_id is not None and disposition.value != "attachment"),
    )
    return found, (*flags, *disposition.flags, *_oddities(part, found, data))


def unpacked(part: Part, number: int, one: Inside) -> Attachment:
    """What is known of a file that lies inside a leaf: in its text, or in a winmail.dat. Its part number is that of the
    leaf and its own, from 1: no part of a mail can have it, because a leaf has no parts."""
    inner = f"{part.number}.{number}"
    name = filenames.clean(one.name, filenames.invented(inner, "application/octet-stream"))
    digest = hashlib.sha256(one.data).hexdigest()
    return Attachment(
        part=inner, filename=name, content_type="application/octet-stream", size=len(one.data), sha256=digest
    )


def inside(raw: bytes, part: Part) -> tuple[Inside, ...]:
    """The files inside a leaf: of a winmail.dat, or of a text."""
    data, _ = transfer.decode(raw[part.start : part.end], part.headers.get(b"content-transfer-encoding"))
    return uuencoded.split(data)[1] if part.type.value == "text/plain" else tnef.files(data)


def is_tnef(one: Attachment) -> bool:
    """Whether an attachment is Outlook's own envelope of files, by its type or its name."""
    return one.content_type in _TNEF or one.filename.lower() == "winmail.dat"


def content(raw: bytes, number: str) -> bytes | None:
    """The decoded bytes of the attachment with that part number of a mail, or None if the mail has no such part."""
    raw = mime.line_ends(raw)
    leaves = {part.number: part for part in mime.structure(raw)[0].leaves()}
    if (part := leaves.get(number)) is not None:
        return transfer.decode(raw[part.start : part.end], part.headers.get(b"content-transfer-encoding"))[0]
    around, _, position = number.rpartition(".")
    found = inside(raw, leaves[around]) if around in leaves and position.isascii() and position.isdigit() else ()
    return next((one.data for at, one in enumerate(found, 1) if str(at) == position), None)


def given_name(part: Part) -> str:
    """The file name as the sender gives it (RFC 2183; RFC 2045's `name` where it is missing), not yet safe."""
    return part.disposition.parameters.get("filename") or part.type.parameters.get("name") or ""


def _filename(part: Part, disposition: dict[str, str], content_type: str, data: bytes) -> str:
    fallback = filenames.invented(part.number, content_type)
    name = disposition.get("filename") or part.type.parameters.get("name") or ""
    if not name and content_type == "message/rfc822":
        subject = headers.read(data[: headers.MAX_BLOCK]).get(b"subject")
        name = f"{headers.decode_header(subject).replace('/', '-')}.eml" if subject else ""
    return filenames.clean(headers.decode_header(name) if "=?" in name else name, fallback)


def _oddities(part: Part, found: Attachment, data: bytes) -> tuple[Flag, ...]:
    flags = [_ODD_TYPES[found.content_type]] if found.content_type in _ODD_TYPES else []
    if is_tnef(found):
        flags.append(Flag.TNEF)
    if found.content_type in _SMIME or found.filename.lower().endswith(".p7m"):
        opaque = part.type.parameters.get("smime-type", "").strip().lower() in _OPAQUE
        flags.extend((Flag.SMIME_OPAQUE, Flag.SIGNED) if opaque else (Flag.ENCRYPTED,))
    if found.content_type in _MAILS and sum(data.lower().count(one.encode()) for one in _MAILS) >= mime.MAX_DEPTH:
        flags.append(Flag.TOO_DEEP)
    return tuple(flags)
