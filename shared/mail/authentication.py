"""Whether our own mail server vouches for a mail's sender: Authentication-Results (RFC 8601). Pure, total, linear.

Anybody can write such a field into a mail. It counts only above the first Received field (what stands below was there
when the mail came in) and only from the server that the mailbox names. Fields are read by their grammar: an id in a
comment, or a result in another method's reason, is text. What does not parse, vouches for nothing.
"""

import re
from collections.abc import Iterator
from enum import StrEnum
from functools import lru_cache
from itertools import takewhile

from publicsuffixlist import PublicSuffixList

from shared.domain.patterns import normalise_domain
from shared.mail import headers, text
from shared.mail.headers import Headers

MAX_RESULTS = 5
MAX_LENGTH = 4_000

_TOKEN = re.compile(r'(?P<blank>\s+)|(?P<special>[;=])|(?P<quoted>"(?:[^"\\]|\\.)*")|(?P<word>[^\s;="()\\]+)')
_QUOTED_PAIR = re.compile(r"\\(.)")
_METHOD = re.compile(r"([a-z0-9-]+)(?:/[0-9]+)?")


class Vouched(StrEnum):
    """What our server says of the From domain. `none`: it says nothing, or nobody that we believe does."""

    PASS = "pass"  # noqa: S105  # a word of RFC 8601, no password
    FAIL = "fail"
    NONE = "none"


_Properties = dict[str, str]
_Result = tuple[str, str, _Properties]
"""Method, result, properties such as `header.d`, all in lower case."""


def results(head: Headers) -> tuple[str, ...]:
    """The Authentication-Results fields above the first Received field, each on one line, at most five.

    Nothing is decoded or cut: half a domain is another domain. A field that is too long, or holds characters that no
    line of ours may hold, is left out."""
    above = takewhile(lambda one: one[0] != b"received", head.fields)
    found = (_flat(value) for name, value in above if name == b"authentication-results" and len(value) <= MAX_LENGTH)
    return tuple(one for one in found if one and text.line(one, MAX_LENGTH) == one)[:MAX_RESULTS]


def verdict(authentication_results: tuple[str, ...], authserv_id: str | None, from_domain: str) -> Vouched:
    """Whether the server `authserv_id` vouches for `from_domain`, in the fields that `results` gave.

    PASS: DMARC passed for that domain (RFC 7489), or DKIM passed for a domain under the same registrable one (RFC 6376
    with the relaxed alignment of RFC 7489, section 3.1.1). A DMARC failure outweighs both: the domain's owner knows his
    policy. FAIL also where DKIM failed and nothing passed.
    """
    domain = normalise_domain(from_domain)
    if authserv_id is None or domain is None:
        return Vouched.NONE
    said = [one for field in authentication_results for one in _said(field, authserv_id.strip().lower())]
    dmarc = {result for method, result, found in said if method == "dmarc" and _names(found, domain)}
    dkim = [(result, found) for method, result, found in said if method == "dkim"]
    if "fail" in dmarc:
        return Vouched.FAIL
    if "pass" in dmarc or any(result == "pass" and _aligned(found, domain) for result, found in dkim):
        return Vouched.PASS
    return Vouched.FAIL if any(result == "fail" for result, _ in dkim) else Vouched.NONE


def _flat(value: bytes) -> str:
    return " ".join(headers.unicode(value).split())


def _said(field: str, authserv_id: str) -> Iterator[_Result]:
    """What a field of that server says; nothing if it is another's, or breaks the grammar."""
    tokens = _tokens(field)
    if not tokens:
        return
    statements = _split(tokens)
    if _value(statements[0][0] if statements[0] else "=") != authserv_id or not _is_head(statements[0]):
        return
    for statement in statements[1:]:
        result = _result(statement)
        if result is not None:
            yield result


def _is_head(tokens: list[str]) -> bool:
    """The id alone, or with the version of the grammar."""
    return len(tokens) == 1 or (len(tokens) == 2 and tokens[1].isdigit())


def _tokens(field: str) -> list[str]:
    """Words, quoted strings, `;` and `=`, without blanks and comments; empty if a comment or a quote never ends."""
    found: list[str] = []
    at = 0
    while at < len(field):
        match = _TOKEN.match(field, at)
        end = match.end() if match else _after_comment(field, at)
        if end == -1:
            return []
        if match and match.lastgroup != "blank":
            found.append(match[0])
        at = end
    return found


def _after_comment(field: str, at: int) -> int:
    """Where the comment that begins here ends, comments inside it included (RFC 5322, section 3.2.2); -1 if none."""
    depth = 0
    while at < len(field):
        depth += {"(": 1, ")": -1}.get(field[at], 0)
        at += 2 if field[at] == "\\" else 1
        if depth <= 0:
            break
    return at if depth == 0 and field[at - 1 : at] == ")" else -1


def _split(tokens: list[str]) -> list[list[str]]:
    statements: list[list[str]] = [[]]
    for one in tokens:
        if one == ";":
            statements.append([])
        else:
            statements[-1].append(one)
    return statements


def _result(tokens: list[str]) -> _Result | None:
    """`method=result` and its properties. Anything but a row of `name=value`, or a name with two values, is None."""
    if len(tokens) < 3 or len(tokens) % 3 or any(tokens[at] != "=" for at in range(1, len(tokens), 3)):
        return None
    pairs = [(tokens[at].lower(), _value(tokens[at + 2])) for at in range(0, len(tokens), 3)]
    method = _METHOD.fullmatch(pairs[0][0])
    names = [name for name, _ in pairs[1:]]
    if method is None or len(set(names)) < len(names) or any(one in ("=", "") for pair in pairs for one in pair):
        return None
    return method[1], pairs[0][1], dict(pairs[1:])


def _value(token: str) -> str:
    """A word, or what a quoted string holds, in lower case."""
    return (_QUOTED_PAIR.sub(r"\1", token[1:-1]) if token.startswith('"') else token).lower()


def _names(properties: _Properties, domain: str) -> bool:
    return _domain(properties.get("header.from", "")) == domain


def _aligned(properties: _Properties, domain: str) -> bool:
    """Whether the signing domain (`header.d`; without it that of the signing identity, `header.i`) stands under the
    same registrable domain."""
    signer = _domain(properties.get("header.d") or properties.get("header.i", ""))
    if signer is None:
        return False
    return signer == domain or (registrable(signer) is not None and registrable(signer) == registrable(domain))


def _domain(value: str) -> str | None:
    return normalise_domain(value.rpartition("@")[2])


def registrable(domain: str) -> str | None:
    """The domain that somebody registered: `example.co.uk` of `mail.example.co.uk`; None for a public suffix itself.

    `domain` is normalised. By the Public Suffix List, its private part included: two customers of a host are two."""
    return _suffixes().privatesuffix(domain)


@lru_cache(maxsize=1)
def _suffixes() -> PublicSuffixList:
    return PublicSuffixList()
