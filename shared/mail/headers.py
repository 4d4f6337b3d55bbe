"""Header fields: raw bytes to fields, and fields to text of one line. Pure and total.

The limits are applied before anything is decoded: 140 KB of encoded words take the standard library 700 MiB.
Must never be used to read an address: those are parsed undecoded (`shared.mail.addresses`).
"""

import binascii
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from shared.mail import charsets, text
from shared.mail.flags import Flag

MAX_BLOCK = 256 * 1024
MAX_FIELDS = 1_000
MAX_FIELD = 16 * 1024
MAX_ADDRESS_FIELD = 64 * 1024
"""Lists of recipients may be longer than other fields: cutting one could hide the mailbox's own address."""
MAX_LINE = 4_096

_ADDRESS_FIELDS = frozenset(
    (b"to", b"cc", b"bcc", b"from", b"reply-to", b"resent-to", b"resent-cc", b"delivered-to", b"x-original-to")
)
_FIELD = re.compile(rb"([\x21-\x39\x3b-\x7e]+)[ \t]*:((?:[^\n]*)(?:\n[ \t][^\n]*)*)(?:\n|\Z)")
_OTHER_LINE = re.compile(rb"[^\n]*(?:\n[ \t][^\n]*)*(?:\n|\Z)")
_BLANK_LINE = re.compile(rb"\n\r*(?:\n|\Z)")
_BEFORE_HEADERS = (b"From ", b">From ", b" ", b"\t")
"""Lines that may stand before the first field: an mbox separator, or a continuation of nothing."""
_FOLD = re.compile(rb"\r*\n")
_WORD = re.compile(r"=\?([^?\s]{1,100})\?([bBqQ])\?([^?]*)\?=(?:[ \t\r\n]+(?==\?[^?\s]{1,100}\?[bBqQ]\?))?")
_MESSAGE_ID = re.compile(r"<[^<>\s]{1,996}>")
_BROKEN_ID = re.compile(r"[^<>\s\"',;]{1,998}")


@dataclass(frozen=True, slots=True)
class Headers:
    """Header fields in their order: lower-case name and raw value (unfolded, not decoded). `body` is where they end."""

    fields: tuple[tuple[bytes, bytes], ...]
    body: int
    flags: tuple[Flag, ...] = field(default=())

    def get(self, name: bytes) -> bytes | None:
        """The raw value of the first field of that lower-case name, or None."""
        for one, value in self.fields:
            if one == name:
                return value
        return None

    def all(self, name: bytes) -> tuple[bytes, ...]:
        """The raw values of every field of that lower-case name."""
        return tuple(value for one, value in self.fields if one == name)


def read(raw: bytes, start: int = 0, end: int | None = None) -> Headers:
    """The header fields of the entity in `raw[start:end]`, within the limits of this module.

    Beyond a limit the rest is left out and the flag names the limit. If the entity has no header at all, or text
    without a blank line follows, `body` is where that text begins. Expects `\\n` or `\\r\\n` line ends.
    """
    end = len(raw) if end is None else end
    stop, body, flags = _extent(raw, start, end)
    fields: list[tuple[bytes, bytes]] = []
    for junk, name, value in _lines(raw, start, stop):
        if name is None:
            if not fields and raw.startswith(_BEFORE_HEADERS, junk):
                continue
            flags.append(Flag.BROKEN_HEADERS if fields else Flag.NO_HEADERS)
            if not fields or body == end:
                body = junk
                break
        elif len(fields) == MAX_FIELDS:
            flags.append(Flag.TOO_MANY_HEADERS)
            break
        else:
            fields.append((name, _limited(name, value, flags)))
    return Headers(tuple(fields), body, tuple(dict.fromkeys(flags)))


def _extent(raw: bytes, start: int, end: int) -> tuple[int, int, list[Flag]]:
    """Where the header block ends, where the body begins, and the flag if the block is over its limit."""
    if raw[start : start + 1] == b"\n" or raw[start : start + 2] == b"\r\n":
        return start, raw.index(b"\n", start) + 1, []
    blank = _BLANK_LINE.search(raw, start, end)
    stop, body = (blank.start() + 1, blank.end()) if blank else (end, end)
    if stop - start <= MAX_BLOCK:
        return stop, body, []
    return raw.rfind(b"\n", start, start + MAX_BLOCK) + 1 or start + MAX_BLOCK, body, [Flag.HEADERS_TOO_LARGE]


def _lines(raw: bytes, start: int, stop: int) -> Iterator[tuple[int, bytes | None, bytes]]:
    """Each field as (position, lower-case name, raw value); name None for a line that is no field."""
    while start < stop:
        match = _FIELD.match(raw, start, stop)
        if match:
            yield start, match[1].lower(), match[2]
        else:
            match = _OTHER_LINE.match(raw, start, stop)
            yield start, None, b""
        start = max(match.end() if match else stop, start + 1)


def _limited(name: bytes, value: bytes, flags: list[Flag]) -> bytes:
    limit = MAX_ADDRESS_FIELD if name in _ADDRESS_FIELDS else MAX_FIELD
    if len(value) > limit:
        flags.append(Flag.HEADER_TOO_LONG)
        value = value[:limit]
    return _FOLD.sub(b"", value).strip(b" \t\r")


def decode_header(raw: bytes | str) -> str:
    """A header value as text of one line (RFC 2047), at most 4,096 characters. Any bytes give text.

    Encoded words are decoded, also those that split a character; blanks are collapsed and controls removed, so that
    no decoded CR LF can become a header of an answer.
    """
    return decode_limited(raw, MAX_LINE)


def decode_limited(raw: bytes | str, limit: int) -> str:
    """As `decode_header`, with a limit in characters of one's own."""
    value = unicode(raw[:MAX_ADDRESS_FIELD])
    if "=?" in value:
        value = _decode_words(value)
    return text.line(value, limit)


def line(raw: bytes | None) -> str | None:
    """A field as text of one line, at most 500 characters; None if it is missing or holds nothing."""
    return (decode_limited(raw, 500) or None) if raw else None


def word(raw: bytes | None) -> str | None:
    """The first word of a field in lower case: `auto-replied; owner-email=x` is `auto-replied` (RFC 3834)."""
    words = (line(raw) or "").lower().partition(";")[0].split()
    return words[0][:100] if words else None


def unicode(raw: bytes | str) -> str:
    """A raw field as text without decoding its encoded words: UTF-8 (RFC 6532), otherwise Windows-1252."""
    if isinstance(raw, str):
        return raw if raw.isascii() else unicode(raw.encode("utf-8", "surrogateescape" if _escaped(raw) else "replace"))
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return charsets.decode(raw, "windows-1252")[0]


def _escaped(value: str) -> bool:
    """Whether a string holds bytes as the standard library's parsers leave them (PEP 383)."""
    try:
        value.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return False
    return True


def _decode_words(value: str) -> str:
    """The text with its encoded words decoded. Neighbours in one charset are joined before decoding: senders split
    characters between words, against RFC 2047 section 5."""
    out: list[str] = []
    at, pending, pending_charset = 0, b"", ""
    for match in _WORD.finditer(value):
        charset = match[1].partition("*")[0].lower()
        if pending and (match.start() != at or charset != pending_charset):
            out.append(charsets.decode(pending, pending_charset)[0])
            pending = b""
        out.append(value[at : match.start()])
        pending, pending_charset = pending + _word_bytes(match[2], match[3]), charset
        at = match.end()
    if pending:
        out.append(charsets.decode(pending, pending_charset)[0])
    out.append(value[at:])
    return "".join(out)


def _word_bytes(encoding: str, payload: str) -> bytes:
    data = payload.encode("utf-8", "replace")
    if encoding in "qQ":
        return binascii.a2b_qp(data.replace(b" ", b"_"), header=True)
    data = re.sub(rb"[^A-Za-z0-9+/]", b"", data)
    data = data[:-1] if len(data) % 4 == 1 else data
    return binascii.a2b_base64(data + b"=" * (-len(data) % 4))


def message_ids(raw: bytes | str | None, limit: int = 100) -> tuple[str, ...]:
    """The message ids of a field, in their angle brackets, in order, without repetition, at most `limit`."""
    if not raw:
        return ()
    found = (text.line(one, 998) for one in _MESSAGE_ID.findall(unicode(raw[:MAX_FIELD])))
    return tuple(dict.fromkeys(one for one in found if one))[:limit]


def message_id(raw: bytes | str | None) -> str | None:
    """The message id of a Message-ID field, in its angle brackets; None if there is none.

    Seen in practice: ids without brackets. They are taken as they are, up to the first blank.
    """
    found = message_ids(raw, 1)
    if found or not raw:
        return found[0] if found else None
    bare = _BROKEN_ID.search(unicode(raw[:MAX_FIELD]))
    return (text.line(bare[0], 998) or None) if bare else None
