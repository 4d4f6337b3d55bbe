"""Files within text, as they travelled before MIME: uuencode, and yEnc and BinHex as they are. Pure, total, linear."""

import binascii
import re
from collections.abc import Iterator
from dataclasses import dataclass

from shared.mail.flags import Flag

MAX_FILES = 50

_BEGIN = re.compile(rb"^begin(?:-base64)? [0-7]{3,4} ([^\r\n]{1,255})\r?\n", re.MULTILINE)
_END = re.compile(rb"^(?:end|====)[ \t]*\r?$", re.MULTILINE)
_YENC = re.compile(rb"^=ybegin [^\r\n]{0,200}?name=([^\r\n]{1,255})\r?\n", re.MULTILINE)
_YENC_END = re.compile(rb"^=yend [^\r\n]*\r?$", re.MULTILINE)
_BINHEX = re.compile(rb"^\(This file must be converted with BinHex[^\r\n]{0,100}\r?\n", re.MULTILINE)
_BINHEX_END = re.compile(rb":[ \t]*\r?$", re.MULTILINE)
_MARKS = (b"begin", b"=ybegin ", b"(This file must")
"""What a line begins with at which a file begins."""


@dataclass(frozen=True, slots=True)
class Inside:
    """A file that lies in other bytes: the name that its sender gave it, not yet safe, and what it holds."""

    name: str
    data: bytes
    broken: bool = False


def decode(data: bytes) -> tuple[bytes, tuple[Flag, ...]]:
    """The body of a part whose transfer encoding is uuencode; as it is where nothing begins."""
    begin = _BEGIN.search(data)
    if begin is None:
        return data, (Flag.BROKEN_ENCODING,)
    end = _END.search(data, begin.end())
    decoded, broken = _lines(data[begin.end() : end.start() if end else len(data)])
    return decoded, (Flag.BROKEN_ENCODING,) if broken or end is None else ()


def split(data: bytes) -> tuple[bytes, tuple[Inside, ...]]:
    """The text without the files in it, and those files, at most fifty. yEnc and BinHex stay encoded."""
    if not any(b"\n" + one in data or data.startswith(one) for one in _MARKS):
        return data, ()
    kept: list[bytes] = []
    files: list[Inside] = []
    at = 0
    for start, stop, one in _blocks(data):
        kept.append(data[at:start])
        files.append(one)
        at = stop
    return b"".join((*kept, data[at:])), tuple(files)


def _blocks(data: bytes) -> Iterator[tuple[int, int, Inside]]:
    """Each file, with where it begins and ends; in order, none within another."""
    at = 0
    for _ in range(MAX_FILES):
        found = min(
            (one for one in (_uu(data, at), _yenc(data, at), _binhex(data, at)) if one), default=None, key=_start
        )
        if found is None:
            return
        yield found
        at = found[1]


def _start(found: tuple[int, int, Inside]) -> int:
    return found[0]


def _uu(data: bytes, at: int) -> tuple[int, int, Inside] | None:
    begin = _BEGIN.search(data, at)
    end = _END.search(data, begin.end()) if begin else None
    if begin is None or end is None:
        return None
    body = data[begin.end() : end.start()]
    decoded, broken = (_base64(body), False) if begin[0].startswith(b"begin-") else _lines(body)
    return begin.start(), end.end(), Inside(_name(begin[1]), decoded, broken)


def _yenc(data: bytes, at: int) -> tuple[int, int, Inside] | None:
    begin = _YENC.search(data, at)
    end = _YENC_END.search(data, begin.end()) if begin else None
    if begin is None or end is None:
        return None
    return begin.start(), end.end(), Inside(f"{_name(begin[1])}.yenc", data[begin.start() : end.end()])


def _binhex(data: bytes, at: int) -> tuple[int, int, Inside] | None:
    begin = _BINHEX.search(data, at)
    colon = data.find(b":", begin.end()) if begin else -1
    end = _BINHEX_END.search(data, colon + 1) if colon != -1 else None
    if begin is None or end is None:
        return None
    return begin.start(), end.end(), Inside("file.hqx", data[begin.start() : end.end()])


def _name(raw: bytes) -> str:
    return raw.strip().decode("utf-8", "replace")


def _base64(body: bytes) -> bytes:
    letters = re.sub(rb"[^A-Za-z0-9+/]", b"", body)
    letters = letters[:-1] if len(letters) % 4 == 1 else letters
    return binascii.a2b_base64(letters + b"=" * (-len(letters) % 4))


def _lines(body: bytes) -> tuple[bytes, bool]:
    """The decoded lines, and whether one was broken. A broken one gives what its length says, as far as it goes, but
    never much more than is there: a letter may say that forty-five zeros follow."""
    out: list[bytes] = []
    broken = False
    for line in filter(None, map(_without_blanks, body.splitlines())):
        try:
            decoded = binascii.a2b_uu(line)
        except binascii.Error:
            broken = True
            decoded = _tolerant(line)
        if len(decoded) > 2 * len(line):
            broken = True
            decoded = decoded[: len(line)]
        out.append(decoded)
    return b"".join(out), broken


def _without_blanks(line: bytes) -> bytes:
    """A line; the last one, that says that nothing follows, without what gateways put behind it."""
    return line.rstrip(b" ") or b"`" if line[:1] in (b" ", b"`") else line


def _tolerant(line: bytes) -> bytes:
    """A line whose end was changed on the way: trailing blanks lost, or more than its length says."""
    letters = ((line[0] - 32) & 63) * 4 // 3
    try:
        return binascii.a2b_uu(line[: 1 + (letters + 3) // 4 * 4])
    except binascii.Error:
        return b""
