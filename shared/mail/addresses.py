"""Addresses of header fields: an own strict grammar on the undecoded field (RFC 5322, section 3.4). Pure and total.

The standard library finds `alice` in `alice@example.org(<bob@example.org>`; this parser answers exactly or not at all.
Must never decode an encoded word into an address: only display names are decoded.
"""

import re
from dataclasses import dataclass

from shared.domain.email import Address, Recipient, SenderStatus, Source
from shared.domain.patterns import normalise_address
from shared.mail.flags import Flag
from shared.mail.headers import Headers, decode_limited, unicode

MAX_ADDRESSES = 500
MAX_DISPLAY = 200

_TOKEN = re.compile(
    r"""(?P<blank>[ \t\r\n]+)"""
    r"""|(?P<quoted>"(?:[^"\\\x00-\x08\x0a-\x1f\x7f]|\\[^\x00-\x1f\x7f])*")"""
    r"""|(?P<comment>\((?:[^()\\]|\\.)*\))"""
    r"""|(?P<literal>\[[^\[\]\\\x00-\x20\x7f]*\])"""
    r"""|(?P<special>[<>,:;@])"""
    r"""|(?P<atom>[^\x00-\x20\x7f()<>\[\]:;@,"\\]+)"""
)
_DOT_ATOM = re.compile(r"[^\s.\"]+(?:\.[^\s.\"]+)*")
_QUOTED_PAIR = re.compile(r"\\(.)")

_SOURCES: tuple[tuple[bytes, Source], ...] = tuple((source.value.encode(), source) for source in Source)


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str


_Element = list[_Token]


def sender(headers: Headers) -> tuple[Address | None, SenderStatus, tuple[Flag, ...]]:
    """Who the From field names. Several fields, several mailboxes, a group or broken syntax are AMBIGUOUS: no guess."""
    fields = headers.all(b"from")
    if len(fields) > 1:
        return None, SenderStatus.AMBIGUOUS, (Flag.SENDER_AMBIGUOUS,)
    if not fields or fields[0].strip() in (b"", b"<>"):
        return None, SenderStatus.MISSING, (Flag.SENDER_MISSING,)
    tokens = _tokens(unicode(fields[0]))
    elements = _split(tokens) if tokens is not None and not _grouped(tokens) else []
    found = _mailbox(elements[0]) if len(elements) == 1 else None
    if found is None:
        return None, SenderStatus.AMBIGUOUS, (Flag.SENDER_AMBIGUOUS,)
    return found, SenderStatus.OK, _warnings(found, fields[0])


def recipients(headers: Headers) -> tuple[tuple[Recipient, ...], tuple[Flag, ...]]:
    """Every recipient with the header that named it, at most 500. What is no address is left out and flagged."""
    found: list[Recipient] = []
    flags: list[Flag] = []
    names = {name for name, _ in headers.fields}
    for name, source in _SOURCES:
        for value in headers.all(name) if name in names else ():
            listed = mailboxes(value, MAX_ADDRESSES - len(found), flags)
            found.extend(Recipient(address=one.address, display=one.display, source=source) for one in listed)
    return tuple(found), tuple(dict.fromkeys(flags))


def mailboxes(raw: bytes, limit: int, flags: list[Flag]) -> list[Address]:
    """The mailboxes of an address list, members of groups among them, at most `limit`; oddities go into `flags`."""
    found: list[Address] = []
    for element in _lenient(unicode(raw), flags):
        one = _mailbox(_member(element))
        if one is None:
            flags.extend([Flag.BAD_RECIPIENT] if _member(element) else [])
        elif len(found) >= limit:
            flags.append(Flag.TOO_MANY_ADDRESSES)
            break
        else:
            found.append(one)
    return found


def _lenient(text: str, flags: list[Flag]) -> list[_Element]:
    """The elements of a list; if the list as a whole is broken, those of its comma-separated pieces that are not."""
    tokens = _tokens(text)
    if tokens is not None:
        return _split(tokens)
    flags.append(Flag.BAD_RECIPIENT)
    pieces = (_tokens(piece) for piece in text.split(",")[: MAX_ADDRESSES * 2])
    return [piece for piece in pieces if piece]


def _tokens(text: str) -> _Element | None:
    """The tokens of a field without blanks and comments, or None if it breaks the grammar."""
    found: _Element = []
    at = 0
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None:
            at = _nested_comment(text, at)
            if at == -1:
                return None
            continue
        if match.lastgroup not in ("blank", "comment"):
            found.append(_Token(match.lastgroup or "", match[0]))
        elif match.lastgroup == "blank":
            found.append(_BLANK)
        at = match.end()
    return found


_BLANK = _Token("blank", " ")


def _nested_comment(text: str, at: int) -> int:
    """Where a comment with comments in it ends, or -1 if no comment begins here or it never ends."""
    if text[at] != "(":
        return -1
    depth = 0
    while at < len(text):
        depth += {"(": 1, ")": -1}.get(text[at], 0)
        at += 2 if text[at] == "\\" else 1
        if depth == 0:
            return at
    return -1


def _split(tokens: _Element) -> list[_Element]:
    """The elements between commas; empty ones are left out (RFC 5322, section 4.4 allows them)."""
    elements: list[_Element] = [[]]
    for token in tokens:
        if token.kind == "special" and token.text in ",;":
            elements.append([])
        else:
            elements[-1].append(token)
    return [element for element in elements if any(token.kind != "blank" for token in element)]


def _grouped(tokens: _Element) -> bool:
    return any(token.kind == "special" and token.text in ":;" for token in tokens)


def _member(element: _Element) -> _Element:
    """An element without the name of the group that it is first in."""
    colons = [position for position, token in enumerate(element) if token == _COLON]
    return element[colons[0] + 1 :] if colons else element


_COLON = _Token("special", ":")
_OPEN = _Token("special", "<")
_CLOSE = _Token("special", ">")
_AT = _Token("special", "@")


def _mailbox(element: _Element) -> Address | None:
    """`addr-spec` or `[phrase] <addr-spec>`, and nothing else."""
    words = [token for token in element if token.kind != "blank"]
    if _OPEN not in words:
        address = _addr_spec(element)
        return Address(address=address) if address else None
    opened = element.index(_OPEN)
    if words[-1] != _CLOSE or words.count(_OPEN) != 1 or words.count(_CLOSE) != 1:
        return None
    address = _addr_spec(element[opened + 1 : element.index(_CLOSE)])
    if address is None or not _is_phrase(element[:opened], address):
        return None
    return Address(address=address, display=_display(element[:opened]))


def _is_phrase(tokens: _Element, address: str) -> bool:
    """Words only. Seen in practice: the address itself, unquoted, as its display name; that is no other address."""
    if all(token.kind in ("atom", "quoted", "blank") for token in tokens):
        return True
    return _addr_spec(tokens) == address


def _addr_spec(tokens: _Element) -> str | None:
    """`local@domain` without blanks inside, normalised; None if it is anything else."""
    words = list(tokens)
    while words and words[0] == _BLANK:
        words.pop(0)
    while words and words[-1] == _BLANK:
        words.pop()
    if len(words) != 3 or words[1] != _AT or words[2].kind != "atom":
        return None
    local = _local(words[0])
    return normalise_address(f"{local}@{words[2].text}") if local else None


def _local(token: _Token) -> str | None:
    if token.kind == "atom":
        return token.text if _DOT_ATOM.fullmatch(token.text) and "=?" not in token.text else None
    if token.kind != "quoted":
        return None
    plain = _QUOTED_PAIR.sub(r"\1", token.text[1:-1])
    return plain if _DOT_ATOM.fullmatch(plain) and _TOKEN.fullmatch(plain) else token.text


def _display(tokens: _Element) -> str:
    words = (_QUOTED_PAIR.sub(r"\1", one.text[1:-1]) if one.kind == "quoted" else one.text for one in tokens)
    return decode_limited("".join(words), MAX_DISPLAY)


def _warnings(found: Address, raw: bytes) -> tuple[Flag, ...]:
    flags: list[Flag] = []
    if "@" in found.display and found.address not in found.display.lower():
        flags.append(Flag.SENDER_DISPLAY_ADDRESS)
    if "xn--" in found.address or not found.address.isascii() or not unicode(raw).rpartition("@")[2].isascii():
        flags.append(Flag.SENDER_IDN)
    return tuple(flags)
