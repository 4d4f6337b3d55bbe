"""Content-Transfer-Encoding (RFC 2045, section 6): from what travels to the bytes meant. Pure and total.

Decodes what is decodable: the raw mail is kept anyway, and the flag says that something was wrong.
"""

import binascii
import re

from shared.mail.flags import Flag

_NOT_BASE64 = re.compile(rb"[^A-Za-z0-9+/=]+")
_PADDING = re.compile(rb"=+")
_BAD_ESCAPE = re.compile(rb"=(?![0-9A-Fa-f]{2}|[ \t]*\r?\n|[ \t]*\Z)")
_PLAIN = frozenset(("", "7bit", "8bit", "binary", "7-bit", "8-bit", "none", "us-ascii", "utf-8"))


def decode(data: bytes, encoding: bytes | None) -> tuple[bytes, tuple[Flag, ...]]:
    """The decoded body of a part. `encoding` is the raw value of its Content-Transfer-Encoding, None if absent.

    An encoding we do not know leaves the bytes as they are.
    """
    name = _name(encoding)
    if name in _PLAIN:
        return data, ()
    if name == "base64":
        return _base64(data)
    if name == "quoted-printable":
        flags = (Flag.BROKEN_ENCODING,) if _BAD_ESCAPE.search(data) else ()
        return binascii.a2b_qp(data), flags
    return data, (Flag.UNKNOWN_ENCODING,)


def _name(encoding: bytes | None) -> str:
    """The first word of the value, in lower case: comments and doubled values are seen in practice."""
    words = (encoding or b"")[:200].decode("ascii", "replace").lower().replace("(", " (").split()
    name = words[0].strip("\"';,") if words else ""
    return {"quotedprintable": "quoted-printable", "qp": "quoted-printable", "base-64": "base64"}.get(name, name)


def _base64(data: bytes) -> tuple[bytes, tuple[Flag, ...]]:
    """Fast where the data is sound. The C decoder stops at the first padding, so inner padding takes the slow way."""
    padding = data.find(b"=")
    try:
        if padding == -1 or not data[padding:].strip(b"= \t\r\n"):
            return binascii.a2b_base64(data), ()
    except binascii.Error:
        pass
    return b"".join(map(_chunk, _PADDING.split(_NOT_BASE64.sub(b"", data)))), (Flag.BROKEN_ENCODING,)


def _chunk(chunk: bytes) -> bytes:
    """Base64 letters without padding, an odd one at the end dropped."""
    usable = chunk[:-1] if len(chunk) % 4 == 1 else chunk
    return binascii.a2b_base64(usable + b"=" * (-len(usable) % 4))
