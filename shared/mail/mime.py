"""The structure of a mail: which parts it has and where they lie (RFC 2046). Pure, total, linear in time.

Works on offsets into the raw bytes: nothing is copied or decoded before somebody asks, and the limits hold before any
work is done. (The standard library's parser takes 450 MiB for a mail of 48 MB, recurses per level and needs seconds
for 100,000 parts; a test holds this one against it on well-formed mail.) Must never look into an attached mail.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from shared.mail import headers, parameters
from shared.mail.flags import Flag
from shared.mail.headers import Headers
from shared.mail.parameters import Parameterised

MAX_DEPTH = 20
MAX_PARTS = 500
MAX_LINE = 998
MAX_BOUNDARY = 70

_BARE = re.compile(rb"\r[!-9;-~]+:")


@dataclass(frozen=True, slots=True)
class Part:
    """A part. `number` is its IMAP part number (RFC 9051, section 6.4.5.1), empty for the mail as a whole if it is a
    multipart; its body is `raw[start:end]`. A part without children is a leaf."""

    number: str
    headers: Headers
    type: Parameterised
    start: int
    end: int
    children: tuple["Part", ...] = ()

    def leaves(self) -> Iterator["Part"]:
        """Every leaf, in the order of the mail."""
        if not self.children:
            yield self
        for child in self.children:
            yield from child.leaves()

    @property
    def disposition(self) -> Parameterised:
        """Its Content-Disposition."""
        return parameters.parse(self.headers.get(b"content-disposition"))


@dataclass(slots=True)
class _Budget:
    """What may still be read of one mail, and what was found odd."""

    parts: int = MAX_PARTS
    flags: list[Flag] = field(default_factory=list[Flag])


def line_ends(raw: bytes) -> bytes:
    """The mail with line feeds. Only a mail whose header has bare carriage returns is changed."""
    first = raw.find(b"\n")
    if first == -1:
        return raw.replace(b"\r", b"\n")
    bare = raw.find(b"\r", 0, first - 1)
    if bare != -1 and _BARE.search(raw, bare, min(first, headers.MAX_BLOCK)):
        return raw.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    return raw


def has_long_line(raw: bytes) -> bool:
    """Whether a line is longer than 998 characters (RFC 5322, section 2.1.1)."""
    at, end = 0, len(raw) - MAX_LINE
    while at < end:
        stop = raw.rfind(b"\n", at, at + MAX_LINE + 2)
        if stop == -1:
            return True
        at = stop + 1
    return False


def structure(raw: bytes) -> tuple[Part, tuple[Flag, ...]]:
    """The tree of parts of a mail with line feeds, and what was odd about it.

    Multiparts beyond 20 levels are not opened and parts beyond 500 left out; the flag names the limit.
    """
    begin = len(raw) - len(raw.lstrip(b"\r\n\xef\xbb\xbf"))
    budget = _Budget()
    top = headers.read(raw, begin)
    budget.flags.extend(top.flags)
    root = _part(raw, top, len(raw), _Place(), budget)
    if has_long_line(raw):
        budget.flags.append(Flag.LONG_LINE)
    return root, tuple(dict.fromkeys(budget.flags))


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a part stands: its number, how deep, what it is if it does not say, and the delimiter around it."""

    number: str = ""
    depth: int = 0
    default: str = "text/plain"
    around: bytes = b""

    def inside(self, position: int, kind: str, delimiter: bytes) -> "_Place":
        """The place of the part at that position of a multipart of that kind."""
        number = f"{self.number}.{position}" if self.number else str(position)
        default = "message/rfc822" if kind == "multipart/digest" else "text/plain"
        return _Place(number, self.depth + 1, default, delimiter)


def _part(raw: bytes, head: Headers, end: int, place: _Place, budget: _Budget) -> Part:
    kinds = _types(head, place.default, budget)
    encodings = head.all(b"content-transfer-encoding")
    if len(encodings) > 1 and len(set(encodings)) > 1:
        budget.flags.append(Flag.ODD_ENCODING)
    kind, number = kinds[0], place.number or "1"
    start = min(head.body, end)
    if not kind.value.startswith("multipart/"):
        return Part(number, head, kind, start, end)
    if place.depth >= MAX_DEPTH:
        budget.flags.append(Flag.TOO_DEEP)
        return Part(number, head, Parameterised("application/octet-stream", {}), start, end)
    if any(one.strip().lower() not in _PLAIN for one in encodings):
        budget.flags.append(Flag.ODD_ENCODING)
    delimiters = _delimiters_of(raw, kinds, start, end, budget)
    if place.around and delimiters and delimiters[0].startswith(place.around):
        budget.flags.append(Flag.BROKEN_MIME)
    pieces = _first_pieces(raw, start, end, delimiters, budget)
    if not pieces:
        budget.flags.append(Flag.BROKEN_MIME)
        return Part(number, head, Parameterised("text/plain", kind.parameters), start, end)
    children: list[Part] = []
    for position, (first, last) in enumerate(pieces, 1):
        child = headers.read(raw, first, last)
        budget.flags.extend(Flag.BROKEN_MIME if one is Flag.NO_HEADERS else one for one in child.flags)
        inside = place.inside(position, kind.value, delimiters[0] if delimiters else b"")
        children.append(_part(raw, child, last, inside, budget))
    return Part(place.number, head, kind, start, end, tuple(children))


_PLAIN = (b"", b"7bit", b"8bit", b"binary")


def _types(head: Headers, default: str, budget: _Budget) -> list[Parameterised]:
    """What a part says it is: the first counts, others make it ambiguous."""
    types = set(head.all(b"content-type"))
    first = head.get(b"content-type")
    kinds = [parameters.parse(first) if first is not None else Parameterised(default, {})]
    budget.flags.extend(kinds[0].flags)
    if len(types) > 1:
        budget.flags.append(Flag.AMBIGUOUS)
        kinds += [parameters.parse(one) for one in dict.fromkeys(head.all(b"content-type")) if one != first]
    if "/" not in kinds[0].value:
        kinds[0] = Parameterised(default, kinds[0].parameters)
    return kinds


def _delimiters_of(raw: bytes, kinds: list[Parameterised], start: int, end: int, budget: _Budget) -> list[bytes]:
    """The delimiters of a multipart; several if it is ambiguous. Seen in practice: none declared, yet the body begins
    with one."""
    named = [one for kind in kinds for one in (kind.boundaries or (kind.parameters.get("boundary", ""),))]
    found = [b"--" + one.rstrip().encode("utf-8", "replace") for one in named if one.rstrip()]
    if any(len(one) > MAX_BOUNDARY + 2 for one in found):
        budget.flags.append(Flag.BROKEN_MIME)
    if found:
        return list(dict.fromkeys(found))
    budget.flags.append(Flag.BROKEN_MIME)
    return _undeclared(raw, start, end)


def _undeclared(raw: bytes, start: int, end: int) -> list[bytes]:
    """The first line of a multipart, if it looks like a delimiter."""
    first = raw[start : min(end, start + 1024)].lstrip(b"\r\n").partition(b"\n")[0].rstrip()
    return [first] if first.startswith(b"--") and len(first) > 2 else []


def _first_pieces(raw: bytes, start: int, end: int, delimiters: list[bytes], budget: _Budget) -> list[tuple[int, int]]:
    """The parts as the declared delimiters mark them off, or as the first line does where those mark off none."""
    pieces = [one for delimiter in delimiters for one in _pieces(raw, start, end, delimiter, budget)]
    for delimiter in () if pieces else _undeclared(raw, start, end):
        pieces = _pieces(raw, start, end, delimiter, budget)
        budget.flags.append(Flag.BROKEN_MIME)
    return pieces


def _pieces(raw: bytes, start: int, end: int, delimiter: bytes, budget: _Budget) -> list[tuple[int, int]]:
    """Where the parts between the delimiter lines lie, as far as the budget of parts goes."""
    pieces: list[tuple[int, int]] = []
    begin: int | None = None
    for at, after, closing in _delimiters(raw, start, end, delimiter):
        if begin is not None:
            if budget.parts == 0:
                budget.flags.append(Flag.TOO_MANY_PARTS)
                return pieces
            budget.parts -= 1
            pieces.append((begin, _before(raw, begin, at)))
        begin = None if closing else after
        if closing:
            break
    if begin is not None:
        budget.flags.append(Flag.BROKEN_MIME)
        if budget.parts and begin < end:
            budget.parts -= 1
            pieces.append((begin, end))
    return pieces


def _delimiters(raw: bytes, start: int, end: int, delimiter: bytes) -> Iterator[tuple[int, int, bool]]:
    """Each delimiter line: where it begins, where the next line begins, whether it closes the multipart."""
    if not delimiter:
        return
    line = b"\n" + delimiter
    at = start if raw.startswith(delimiter, start, end) else _line(raw, line, start, end)
    while at != -1:
        tail = at + len(delimiter)
        stop = raw.find(b"\n", tail, end)
        stop = end if stop == -1 else stop
        rest = raw[tail : min(stop, tail + 200)].strip()
        if rest in (b"", b"--") and stop - tail < 200:
            yield at, min(stop + 1, end), rest == b"--"
        at = _line(raw, line, stop, end)


def _line(raw: bytes, line: bytes, start: int, end: int) -> int:
    """Where the next line that begins with the delimiter begins, or -1."""
    at = raw.find(line, start, end)
    return at if at == -1 else at + 1


def _before(raw: bytes, begin: int, at: int) -> int:
    """The end of a part: the line end before a delimiter belongs to the delimiter."""
    if at > begin and raw[at - 1] == 0x0A:
        at -= 1
        if at > begin and raw[at - 1] == 0x0D:
            at -= 1
    return at
