"""Attachments: references into the raw mail, by IMAP part number. Nothing is unpacked, executed or previewed here."""

import hashlib

from shared.domain.email import Attachment
from shared.mail import filenames, headers, mime, parameters, text, transfer
from shared.mail.flags import Flag
from shared.mail.mime import Part

_ODD_TYPES = {
    "message/partial": Flag.PARTIAL,
    "message/external-body": Flag.EXTERNAL_BODY,
    "application/ms-tnef": Flag.TNEF,
    "application/vnd.ms-tnef": Flag.TNEF,
    "application/pkcs7-mime": Flag.ENCRYPTED,
    "application/x-pkcs7-mime": Flag.ENCRYPTED,
}


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
    return found, (*flags, *disposition.flags, *_oddities(found, data))


def content(raw: bytes, number: str) -> bytes | None:
    """The decoded bytes of the attachment with that part number of a mail, or None if the mail has no such part."""
    raw = mime.line_ends(raw)
    for part in mime.structure(raw)[0].leaves():
        if part.number == number:
            encoding = part.headers.get(b"content-transfer-encoding")
            return transfer.decode(raw[part.start : part.end], encoding)[0]
    return None


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


def _oddities(found: Attachment, data: bytes) -> tuple[Flag, ...]:
    flags = [_ODD_TYPES[found.content_type]] if found.content_type in _ODD_TYPES else []
    if found.filename.lower() == "winmail.dat":
        flags.append(Flag.TNEF)
    if found.content_type == "message/rfc822" and data.lower().count(b"message/rfc822") >= mime.MAX_DEPTH:
        flags.append(Flag.TOO_DEEP)
    return tuple(flags)
