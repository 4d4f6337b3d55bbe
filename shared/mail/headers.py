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
_KNOWN = re.compile(
    rb"^(?:from|to|subject|date|message-id|received|return-path|mime-version|content-[a-z-]{4,30})[ \t]*:",
    re.IGNORECASE | re.MULTILINE,
)
"""Fields that no text begins its lines with by chance, two of them."""
_OTHER_LINE = re.compile(rb"[^\n]*(?:\n[ \t][^\n]*)*(?:\n|\Z)")
_BLANK_LINE = re.compile(rb"\n\r*(?:\n|\Z)")
_SEPARATORS = (b"From ", b">From ")
"""What mboxes have before the first field."""
_COLON = 0x3A
_FOLD = re.compile(rb"\r*\n")
_LETTERS = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
_NO_LETTER = re.compile(rb"[^A-Za-z0-9+/]")
_WORD = re.compile(r"=\?([^?\s]{1,100})\?([bBqQ])\?([^?]*)(?:\?=|\??\Z)(?:[ \t\r\n]+(?==\?[^?\s]{1,100}\?[bBqQ]\?))?")
"""Seen in practice: the last one cut off."""
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
            if not fields and raw.startswith(_SEPARATORS, junk):
                continue
            if not fields and _before_fields(raw, junk, stop):
                flags.append(Flag.BROKEN_HEADERS)
                continue
            flags.append(Flag.BROKEN_HEADERS if fields else Flag.NO_HEADERS)
            if not fields or body == end:
                body = junk
                break
        elif len(fields) == MAX_FIELDS:
            flags.append(Flag.TOO_MANY_HEADERS)
            break
        else:
            if raw[junk + len(name)] != _COLON:
                flags.append(Flag.BROKEN_HEADERS)
            fields.append((name, _limited(name, value, flags)))
    return Headers(tuple(fields), body, tuple(dict.fromkeys(flags)))


def _before_fields(raw: bytes, at: int, stop: int) -> bool:
    """Whether a line that is no field stands before a header, not at the beginning of a text: it continues nothing, or
    fields follow."""
    if raw[at : at + 1] in (b" ", b"\t"):
        return True
    return len(_KNOWN.findall(raw, at, min(stop, at + MAX_FIELD))) >= 2


def _extent(raw: bytes, start: int, end: int) -> tuple[int, int, list[Flag]]:
    """Where the header block ends, where the body begins, and the flag if the block is over its limit."""
    if raw[start : start + 1] == b"\n" or raw[start : start + 2] == b"\r\n":
        return start, raw.index(b"\n", start) + 1, []
    blank = _BLANK_LINE.search(raw, start, end)
    stop, body = (blank.start() + 1, blank.end()) if blank else (end, end)
    if stop - start <= MAX_BLOCK:
        return stop, body, []
    limit = start + MAX_BLOCK
    line = raw.rfind(b"\n", start, limit) + 1
    return line if limit - line <= MAX_FIELD else limit, body, [Flag.HEADERS_TOO_LARGE]


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
    return decode_flagged(raw, limit)[0]


def decode_flagged(raw: bytes | str, limit: int) -> tuple[str, tuple[Flag, ...]]:
    """As `decode_limited`, with what was odd about its charsets."""
    value = unicode(raw[:MAX_ADDRESS_FIELD])
    flags: tuple[Flag, ...] = ()
    if "=?" in value:
        value, flags = _decode_words(value)
    return text.line(value, limit), flags


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


def _decode_words(value: str) -> tuple[str, tuple[Flag, ...]]:
    """The text with its encoded words decoded. Neighbours in one charset are joined before decoding: senders split
    characters, and the four letters of base64, between words, against RFC 2047 section 5."""
    out: list[str] = []
    flags: list[Flag] = []
    run = _Run()
    at = 0
    for match in _WORD.finditer(value):
        charset, encoding = match[1].partition("*")[0].lower(), match[2].lower()
        if match.start() != at or charset != run.charset:
            out.append(run.close(flags))
            run.charset = charset
        out.append(value[at : match.start()])
        run.add(encoding, match[3])
        at = match.end()
    out.extend((run.close(flags), value[at:]))
    return "".join(out), tuple(dict.fromkeys(flags))


def _ends_within(letters: bytes) -> bool:
    """Whether base64 letters end within a group of four. Where only the padding is missing, the bits that it would
    leave over are zero."""
    over = {0: 0, 1: 63, 2: 15, 3: 3}[len(letters) % 4]
    return len(letters) % 4 == 1 or bool(over and _LETTERS.find(letters[-1:]) & over)


@dataclass(slots=True)
class _Run:
    """Neighbouring encoded words of one charset."""

    charset: str = ""
    data: list[bytes] = field(default_factory=list[bytes])
    letters: bytes = b""

    def add(self, encoding: str, payload: str) -> None:
        """One more word. Base64 goes on in the next word where this one ends within a group of four."""
        data = payload.encode("utf-8", "replace")
        if encoding == "b":
            self.letters += _NO_LETTER.sub(b"", data)
            if data.endswith(b"=") or not _ends_within(self.letters):
                self._flush()
        else:
            self._flush()
            self.data.append(binascii.a2b_qp(data.replace(b" ", b"_"), header=True))

    def close(self, flags: list[Flag]) -> str:
        """Its text; what comes next is another run."""
        self._flush()
        if not self.data:
            return ""
        decoded, odd = charsets.decode(b"".join(self.data), self.charset)
        flags.extend(odd)
        self.data = []
        return decoded

    def _flush(self) -> None:
        if self.letters:
            letters = self.letters[:-1] if len(self.letters) % 4 == 1 else self.letters
            self.data.append(binascii.a2b_base64(letters + b"=" * (-len(letters) % 4)))
            self.letters = b""


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
