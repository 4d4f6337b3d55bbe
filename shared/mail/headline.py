"""The few header fields by which people look a mail up, taken from raw bytes without parsing the mail.

Total and quick: it looks at the first 64 KiB of the header block only, at 4 KiB of each field, and never raises.
It must never decide anything: the rules see the normalised email, not this.
"""

import base64
import binascii
import codecs
import quopri
import re

from shared.domain.email import Headline
from shared.domain.patterns import normalise_address

_BLOCK = 64 * 1024
_FIELD = 4 * 1024
_SUBJECT_LIMIT = 500
_MESSAGE_ID_LIMIT = 998
_WANTED = re.compile(rb"(message-id|from|subject)[ \t]*:(.*)", re.IGNORECASE | re.DOTALL)
_FOLD = re.compile(rb"\r?\n(?=[ \t])")
_NEWLINE = re.compile(rb"\r?\n")
_END = re.compile(rb"\r?\n\r?\n")
_WORD = re.compile(r"=\?([^?\s]{1,40})\?([bBqQ])\?([^?\s]*)\?=")
_BETWEEN = re.compile(r"(\?=)[ \t\r\n]+(?==\?)")
_UNWANTED = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]+")
_QUOTED = re.compile(r'"(?:[^"\\]|\\.)*"')
_ANGLE = re.compile(r"<([^<>]*)>")
_NOT_TEXT = frozenset({"idna", "punycode", "unicode_escape", "raw_unicode_escape", "undefined", "mbcs", "oem"})


def headline(raw: bytes) -> Headline:
    """Message-ID, sender address and decoded subject of a mail; what is missing or unreadable is None or empty.

    The first field of each name counts. The subject is cut at 500 characters and holds no controls.
    """
    fields = _fields(raw)
    return Headline(
        message_id=_message_id(fields.get(b"message-id", b"")),
        sender=_sender(fields.get(b"from", b"")),
        subject=_clean(_decoded(fields.get(b"subject", b"")))[:_SUBJECT_LIMIT],
    )


def _fields(raw: bytes) -> dict[bytes, bytes]:
    block = raw[:_BLOCK].lstrip(b"\r\n")
    end = _END.search(block)
    block = _FOLD.sub(b"", block[: end.start()] if end else block)
    found: dict[bytes, bytes] = {}
    for line in _NEWLINE.split(block):
        match = _WANTED.match(line)
        if match is not None:
            found.setdefault(match.group(1).lower(), match.group(2)[:_FIELD].strip())
    return found


def _message_id(field: bytes) -> str | None:
    text = _clean(_text(field))
    match = _ANGLE.search(text)
    return (match.group(0) if match else text)[:_MESSAGE_ID_LIMIT] or None


def _sender(field: bytes) -> str | None:
    text = _QUOTED.sub("", _clean(_text(field)))
    angle = _ANGLE.search(text)
    words = [angle.group(1)] if angle else text.split()
    return next((address for word in words if (address := normalise_address(word)) is not None), None)


def _text(field: bytes) -> str:
    """Raw 8-bit headers are UTF-8 (RFC 6532), or were latin-1."""
    try:
        return field.decode("utf-8")
    except UnicodeDecodeError:
        return field.decode("latin-1")


def _clean(text: str) -> str:
    return _UNWANTED.sub(" ", text).strip()


def _decoded(field: bytes) -> str:
    """Encoded words (RFC 2047) decoded; blanks between two of them belong to neither."""
    return _WORD.sub(_word, _BETWEEN.sub(r"\1", _text(field)))


def _word(match: re.Match[str]) -> str:
    charset, kind, payload = match.groups()
    data = payload.encode("utf-8", "replace")
    try:
        packed = (
            base64.b64decode(data + b"=" * (-len(data) % 4)) if kind in "bB" else quopri.decodestring(data, header=True)
        )
        return packed.decode(_codec(charset), "replace")
    except (binascii.Error, LookupError, ValueError):
        return match.group(0)


def _codec(charset: str) -> str:
    """The codec of a charset name, without RFC 2231's language. Raises LookupError for what decodes no text."""
    found = codecs.lookup(charset.partition("*")[0])
    if found.name.replace("-", "_") in _NOT_TEXT or not getattr(found, "_is_text_encoding", True):
        raise LookupError(charset)
    return found.name
