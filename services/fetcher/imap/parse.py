"""What IMAP responses say, read by UID and literal only, so that no subject can be mistaken for syntax. Pure."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone

from services.fetcher.imap.framing import Response
from shared.mail import folder_names

_UID = re.compile(rb"[ (]UID (\d{1,10})(?!\d)")
_DATE = re.compile(rb'INTERNALDATE "([ \d]\d)-([A-Za-z]{3})-(\d{4}) (\d\d):(\d\d):(\d\d) ([+-])(\d\d)(\d\d)"')
_SIZE = re.compile(rb"RFC822\.SIZE (\d{1,18})")
# Possessive, and no section within a section: a line of megabytes made of `BODY[` must not cost more than once through.
_BODY = re.compile(rb'BODY\[[^\[\]]*+\](?:<\d+>)? (?:(NIL)|"((?:[^"\\]++|\\.)*+)"|~?\{\d+\+?\}$)')
_FETCH = re.compile(rb"\* \d+ FETCH \(", re.IGNORECASE)
_CODE = re.compile(rb"\[([A-Z0-9-]+)(?: ([^\]]*))?\]", re.IGNORECASE)
_LIST = re.compile(rb'\* LIST \(([^)]*+)\) (?:NIL|"(?:[^"\\]++|\\.)*+") (.*)$', re.IGNORECASE)
_NUMBER = re.compile(rb"(?<!\S)\d+(?!\S)")
LAST_UID = 2**32 - 1
"""UIDs and UIDVALIDITY are numbers of 32 bits, and none is 0 (RFC 9051 section 9, `nz-number`)."""
CAPABILITY_BYTES = 16 * 1024
FOLDER_BYTES = 1_000
"""Of a CAPABILITY response so much is read; a longer name of a folder is none."""
_MONTHS = {
    name: number
    for number, name in enumerate(
        (b"jan", b"feb", b"mar", b"apr", b"may", b"jun", b"jul", b"aug", b"sep", b"oct", b"nov", b"dec"), start=1
    )
}


@dataclass(frozen=True, slots=True)
class FetchItem:
    """One FETCH response. What the server did not send is None."""

    uid: int
    internal_date: datetime | None
    size: int | None
    body: bytes | None


def capabilities(untagged: Iterable[Response]) -> frozenset[str] | None:
    """The capabilities, upper-case, from CAPABILITY responses; None if there was none."""
    for response in untagged:
        if response[0][:13].upper() == b"* CAPABILITY ":
            return frozenset(response[0][:CAPABILITY_BYTES].decode("ascii", "replace").upper().split()[2:])
    return None


def search(untagged: Iterable[Response]) -> list[int]:
    """The UIDs of all SEARCH responses, ascending, but for those that cannot be."""
    return sorted({int(word) for word in _found(untagged) if _possible(word)})


def impossible(untagged: Iterable[Response]) -> int:
    """How many numbers of SEARCH responses cannot be UIDs."""
    return sum(not _possible(word) for word in _found(untagged))


def number(text: bytes | str | None) -> int:
    """A number of 32 bits; 0 if this is none."""
    return int(text) if text and text.isdigit() and len(text) <= 10 and int(text) <= LAST_UID else 0


def _possible(word: bytes) -> bool:
    return number(word) > 0


def _found(untagged: Iterable[Response]) -> Iterator[bytes]:
    for response in untagged:
        if response[0][:8].upper() == b"* SEARCH":
            yield from (match.group() for match in _NUMBER.finditer(response[0], 8))


def code(line: bytes) -> tuple[str, str]:
    """The response code in a status text and its argument: `[UIDVALIDITY 7] ok` gives `("UIDVALIDITY", "7")`."""
    match = _CODE.match(line.lstrip())
    if match is None:
        return "", ""
    return match.group(1).decode("ascii").upper(), (match.group(2) or b"").decode("ascii", "replace")


def codes(untagged: Iterable[Response]) -> dict[str, str]:
    """The response codes of all untagged OK responses, such as UIDVALIDITY and UIDNEXT after SELECT."""
    found: dict[str, str] = {}
    for response in untagged:
        if response[0][:5].upper() == b"* OK ":
            name, argument = code(response[0][5:])
            if name:
                found[name] = argument
    return found


def exists(untagged: Iterable[Response]) -> int:
    """How many mails the folder holds by the last EXISTS response; 0 if there was none."""
    count = 0
    for response in untagged:
        words = response[0][:40].split()
        if len(words) == 3 and words[2].upper() == b"EXISTS":
            count = number(words[1])
    return count


def folders(untagged: Iterable[Response]) -> list[str]:
    """The names of LIST responses that can be selected, decoded, sorted."""
    names = (_folder(response) for response in untagged)
    return sorted({name for name in names if name is not None})


def _folder(response: Response) -> str | None:
    match = _LIST.match(response[0])
    if match is None or b"\\noselect" in match.group(1).lower():
        return None
    wire = response[1] if len(response) > 1 else unquote(match.group(2))
    if len(wire) > FOLDER_BYTES:
        return None
    return folder_names.decode(wire.decode("utf-8", "replace"))


def unquote(text: bytes) -> bytes:
    """A quoted string without its quotes and escapes; an atom as it is."""
    if len(text) >= 2 and text[:1] == text[-1:] == b'"':
        return re.sub(rb"\\(.)", rb"\1", text[1:-1])
    return text


def fetches(untagged: Iterable[Response]) -> dict[int, FetchItem]:
    """FETCH responses by UID; a mail's items may come in several. Unsolicited ones, which carry no UID or no item of
    ours, say nothing and are left out."""
    found: dict[int, FetchItem] = {}
    for response in untagged:
        if (item := _fetch(response)) is not None:
            found[item.uid] = _together(found.get(item.uid, item), item)
    return found


def _together(one: FetchItem, other: FetchItem) -> FetchItem:
    """What both say of a mail; where they say different things, the later one counts."""
    return FetchItem(
        one.uid,
        one.internal_date if other.internal_date is None else other.internal_date,
        one.size if other.size is None else other.size,
        one.body if other.body is None else other.body,
    )


def _fetch(response: Response) -> FetchItem | None:
    if _FETCH.match(response[0]) is None:
        return None
    text = b" ".join(response[::2]) if len(response) > 1 else response[0]
    uid = _UID.search(text)
    if uid is None or not number(uid.group(1)):
        return None
    size = _SIZE.search(text)
    return FetchItem(
        uid=number(uid.group(1)),
        internal_date=internal_date(text),
        size=int(size.group(1)) if size else None,
        body=_body(response),
    )


def _body(response: Response) -> bytes | None:
    """The literal behind `BODY[...]`, or a quoted string in its place; NIL is an empty body. A number in braces that is
    too long for a literal has none behind it."""
    for index, text in enumerate(response[::2]):
        match = _BODY.search(text)
        if match is None:
            continue
        if match.group(1) is not None:
            return b""
        if match.group(2) is not None:
            return unquote(b'"' + match.group(2) + b'"')
        return response[index * 2 + 1] if index * 2 + 1 < len(response) else None
    return None


def internal_date(text: bytes) -> datetime | None:
    """INTERNALDATE in UTC; None if it is missing or no date."""
    match = _DATE.search(text)
    if match is None:
        return None
    day, month, year, hour, minute, second, sign, east_hours, east_minutes = match.groups()
    east = timedelta(hours=int(east_hours), minutes=int(east_minutes)) * (-1 if sign == b"-" else 1)
    try:
        local = datetime(
            int(year), _MONTHS[month.lower()], int(day), int(hour), int(minute), int(second), tzinfo=timezone(east)
        )
        return local.astimezone(UTC)
    except (KeyError, ValueError, OverflowError):
        return None


def uid_set(uids: Sequence[int]) -> str:
    """UIDs as a sequence set: `1:3,7`."""
    ranges: list[list[int]] = []
    for uid in sorted(uids):
        if ranges and uid == ranges[-1][1] + 1:
            ranges[-1][1] = uid
        else:
            ranges.append([uid, uid])
    return ",".join(str(first) if first == last else f"{first}:{last}" for first, last in ranges)
