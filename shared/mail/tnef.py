"""Files inside Outlook's winmail.dat (TNEF, [MS-OXTNEF]): where they lie and what they are called. Pure, total, linear.

Only attachments are taken out; the message's own properties and attached messages stay closed. Nothing in it is
compressed, so that the files together are never larger than the whole. Must never trust a length.
"""

import struct
from collections.abc import Iterator

from shared.mail import charsets
from shared.mail.uuencoded import Inside

SIGNATURE = b"\x78\x9f\x3e\x22"
MAX_FILES = 50
MAX_ATTRIBUTES = 2_000
MAX_PROPERTIES = 500

_ATTRIBUTE = struct.Struct("<BII")
_CHECKSUM = 2
_NEW_FILE, _TITLE, _DATA, _PROPERTIES, _CODE_PAGE = 0x00069002, 0x00018010, 0x0006800F, 0x00069005, 0x00069007
_LONG_NAME = 0x3707
_FIXED = {0x2: 4, 0x3: 4, 0x4: 4, 0x5: 8, 0x6: 8, 0x7: 8, 0xA: 4, 0xB: 4, 0x14: 8, 0x40: 8, 0x48: 16}
_VARIABLE = frozenset((0xD, 0x1E, 0x1F, 0x102))
_MANY = 0x1000


def files(data: bytes) -> tuple[Inside, ...]:
    """The files of a winmail.dat, at most fifty; none if it is no TNEF. A broken one gives those before the break."""
    if not data.startswith(SIGNATURE):
        return ()
    found: list[Inside] = []
    name, content, encoding = "", None, "cp1252"
    for kind, value in _attributes(data):
        if kind == _CODE_PAGE and len(value) >= 4:
            encoding = charsets.codec(f"cp{_number(value, 0)}") or encoding
        elif kind == _NEW_FILE:
            found.extend(_file(name, content))
            name, content = "", None
        elif kind == _TITLE:
            name = name or _text(value, encoding)
        elif kind == _DATA:
            content = value
        elif kind == _PROPERTIES:
            name = _long_name(value, encoding) or name
    found.extend(_file(name, content))
    return tuple(found[:MAX_FILES])


def _file(name: str, content: bytes | None) -> tuple[Inside, ...]:
    return () if content is None else (Inside(name, content),)


def _attributes(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Each attribute that is whole, as identifier and value."""
    at = len(SIGNATURE) + 2
    for _ in range(MAX_ATTRIBUTES):
        if at + _ATTRIBUTE.size > len(data):
            return
        _, kind, length = _ATTRIBUTE.unpack_from(data, at)
        at += _ATTRIBUTE.size
        if at + length > len(data):
            return
        yield kind, data[at : at + length]
        at += length + _CHECKSUM


def _long_name(data: bytes, encoding: str) -> str:
    """The long file name among the properties of an attachment; empty if there is none."""
    for tag, value in _properties(data):
        if tag & 0xFFFF == _LONG_NAME and value:
            return _text(value, "utf-16-le" if tag >> 16 == 0x1F else encoding)
    return ""


def _properties(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Each property as its type and identifier (type << 16 | identifier) and its first value."""
    at = 4
    for _ in range(min(int.from_bytes(data[:4], "little"), MAX_PROPERTIES)):
        kind, identifier = int.from_bytes(data[at : at + 2], "little"), int.from_bytes(data[at + 2 : at + 4], "little")
        at = _after_name(data, at + 4) if identifier >= 0x8000 else at + 4
        many, kind = kind & _MANY, kind & ~_MANY
        if at >= len(data) or (kind not in _FIXED and kind not in _VARIABLE):
            return
        values, at = (_number(data, at), at + 4) if many or kind in _VARIABLE else (1, at)
        first = b""
        for number in range(min(values, MAX_PROPERTIES)):
            length = _FIXED.get(kind)
            if length is None:
                length, at = _number(data, at), at + 4
            first = first if number else data[at : at + length]
            at += (length + 3) // 4 * 4
        yield kind << 16 | identifier, first


def _after_name(data: bytes, at: int) -> int:
    """Where the name of a named property ends: a GUID, then a number or a text."""
    at += 16
    if _number(data, at) == 0:
        return at + 8
    return at + 8 + (_number(data, at + 4) + 3) // 4 * 4


def _number(data: bytes, at: int) -> int:
    return int.from_bytes(data[at : at + 4], "little")


def _text(value: bytes, encoding: str) -> str:
    return value.decode(encoding, "replace").partition("\x00")[0].strip()
