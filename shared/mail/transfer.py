"""Content-Transfer-Encoding (RFC 2045, section 6): from what travels to the bytes meant. Pure and total.

Decodes what is decodable: the raw mail is kept anyway, and the flag says that something was wrong.
"""

import binascii
import re
from functools import lru_cache

from shared.mail import uuencoded
from shared.mail.flags import Flag

_NOT_BASE64 = re.compile(rb"[^A-Za-z0-9+/=]+")
FLOOD = 4
"""A text whose quoted-printable is more than four times as long is soft line breaks, most of it."""
_PADDING = re.compile(rb"=+")
_BLANKS = (b"\n", b"\r", b" ", b"\t")
_BAD_ESCAPE = re.compile(rb"=(?![0-9A-F][0-9A-F]|\r?\n|[ \t]+\r?\n)")
"""No hexadecimal digits, such in lower case, or nothing at all."""
_PLAIN = frozenset(("", "7bit", "8bit", "binary"))
_MEANT = {
    "7-bit": "7bit",
    "8-bit": "8bit",
    "8bits": "8bit",
    "7bits": "7bit",
    "none": "8bit",
    "us-ascii": "7bit",
    "utf-8": "8bit",
    "quotedprintable": "quoted-printable",
    "qp": "quoted-printable",
    "base-64": "base64",
    "uuencode": "x-uuencode",
    "x-uue": "x-uuencode",
    "uue": "x-uuencode",
}
_URL_SAFE = bytes.maketrans(b"-_", b"+/")


def decode(data: bytes, encoding: bytes | None) -> tuple[bytes, tuple[Flag, ...]]:
    """The decoded body of a part. `encoding` is the raw value of its Content-Transfer-Encoding, None if absent.

    An encoding we do not know leaves the bytes as they are.
    """
    name, odd = _name(encoding)
    if name in _PLAIN:
        return data, odd
    if name == "base64":
        decoded, broken = _base64(data)
        return decoded, (*odd, *broken)
    if name == "quoted-printable":
        decoded = binascii.a2b_qp(data)
        broken = _BAD_ESCAPE.search(data) is not None or len(decoded) * FLOOD < len(data)
        return decoded, (*odd, Flag.BROKEN_ENCODING) if broken else odd
    if name == "x-uuencode":
        decoded, broken = uuencoded.decode(data)
        return decoded, (*odd, *broken)
    return data, (*odd, Flag.UNKNOWN_ENCODING)


@lru_cache(maxsize=64)
def _name(encoding: bytes | None) -> tuple[str, tuple[Flag, ...]]:
    """The first word of the value, in lower case. Comments, doubled values and other names are seen in practice."""
    value = (encoding or b"")[:200].decode("ascii", "replace").lower().strip()
    words = re.split(r"[\s(,;]+", value)
    written = words[0].strip("\"'")
    name = _MEANT.get(written, written)
    return name, (Flag.ODD_ENCODING,) if name != value else ()


def _base64(data: bytes) -> tuple[bytes, tuple[Flag, ...]]:
    """Fast where the data is sound. The C decoder stops at the first padding, so inner padding takes the slow way."""
    padding = data.find(b"=")
    end = len(data) if padding == -1 else padding
    try:
        if padding == -1 or not data[padding:].strip(b"= \t\r\n"):
            decoded = binascii.a2b_base64(data)
            size = len(decoded)
            if size == _letters(data, end) * 3 // 4 or size == _all_letters(data, end) * 3 // 4:
                return decoded, ()
    except binascii.Error:
        pass
    if b"+" not in data and b"/" not in data:
        data = data.translate(_URL_SAFE)
    return b"".join(map(_chunk, _PADDING.split(_NOT_BASE64.sub(b"", data)))), (Flag.BROKEN_ENCODING,)


def _letters(data: bytes, end: int) -> int:
    """How many letters of base64 there are, if its lines are of one length."""
    line = data.find(b"\n") + 1
    blanks = (2 if data[line - 2 : line - 1] == b"\r" else 1) if line else 0
    return end - (end - 1) // line * blanks if line else end


def _all_letters(data: bytes, end: int) -> int:
    return end - sum(data.count(one, 0, end) for one in _BLANKS)


def _chunk(chunk: bytes) -> bytes:
    """Base64 letters without padding, an odd one at the end dropped."""
    usable = chunk[:-1] if len(chunk) % 4 == 1 else chunk
    return binascii.a2b_base64(usable + b"=" * (-len(usable) % 4))
