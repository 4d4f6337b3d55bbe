"""Whether our own mail server vouches for a mail's sender: Authentication-Results (RFC 8601). Pure, total, linear.

Anybody can write such a field into a mail. It counts only from the server that the mailbox names, and only above the
Received fields of our own servers (what stands below the first of another's was there when the mail came in). Fields
are read by their grammar: an id in a comment, or a result in another method's reason, is text. What does not parse,
vouches for nothing.
"""

import re
from collections.abc import Iterator
from functools import lru_cache
from itertools import islice, zip_longest

from publicsuffixlist import PublicSuffixList

from shared.domain.email import Authentication, Email, Vouched
from shared.domain.mailbox import MOST_HOPS, MailboxSpec
from shared.domain.patterns import domain_of, normalise_domain
from shared.domain.ticket import Answerable
from shared.mail import headers, text
from shared.mail.headers import Headers

MAX_RESULTS = 5
MAX_LENGTH = 4_000

_TOKEN = re.compile(r'(?P<blank>\s+)|(?P<special>[;=])|(?P<quoted>"(?:[^"\\]|\\.)*")|(?P<word>[^\s;="()\\]+)')
_QUOTED_PAIR = re.compile(r"\\(.)")
_METHOD = re.compile(r"([a-z0-9-]+)(?:/[0-9]+)?")
_WORDS = frozenset(("pass", "fail", "softfail", "neutral", "none", "policy", "temperror", "permerror"))
"""The results that RFC 8601 knows for SPF, DKIM and DMARC."""

_Properties = dict[str, str]
_Result = tuple[str, str, _Properties]
"""Method, result, properties such as `header.d`, all in lower case."""


def results(head: Headers) -> tuple[tuple[int, str], ...]:
    """The Authentication-Results fields, each on one line, with how many Received fields stand above it; the first five
    of those that any mailbox could believe.

    Nothing is decoded or cut: half a domain is another domain. A field that is too long, or holds characters that no
    line of ours may hold, is left out."""
    found = ((hops, _flat(value)) for hops, value in _fields(head) if len(value) <= MAX_LENGTH)
    whole = ((hops, one) for hops, one in found if one and text.line(one, MAX_LENGTH) == one)
    return tuple(islice(whole, MAX_RESULTS))


def judge(mail: Email | Answerable, spec: MailboxSpec) -> Authentication | None:
    """What the mailbox's server says of a mail's sender; None if the mailbox names no server."""
    if spec.authserv_id is None:
        return None
    placed = zip_longest(mail.authentication_results, mail.authentication_hops, fillvalue=0)
    believed = tuple(str(one) for one, hops in placed if one and int(hops) <= spec.authserv_hops)
    domain = domain_of(mail.sender.address) if mail.sender else ""
    said = [one for field in believed for one in _said(field, spec.authserv_id.strip().lower())]
    return Authentication(
        server=spec.authserv_id,
        spf=_word(said, "spf", domain),
        dkim=_word(said, "dkim", domain),
        dmarc=_word(said, "dmarc", domain),
        sender=verdict(believed, spec.authserv_id, domain),
    )


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


def _fields(head: Headers) -> Iterator[tuple[int, bytes]]:
    hops = 0
    for name, value in head.fields:
        hops += name == b"received"
        if hops > MOST_HOPS:
            return
        if name == b"authentication-results":
            yield hops, value


def _word(said: list[_Result], method: str, domain: str) -> str:
    """What was found by a method: for the From domain where that is told apart, and a pass before anything else there;
    otherwise the first."""
    found = [(result, properties) for one, result, properties in said if one == method and result in _WORDS]
    about = [result for result, properties in found if _aligned(properties, domain) or _names(properties, domain)]
    best = ["pass"] if "pass" in about else about
    return next(iter((*best, *(result for result, _ in found))), "none")


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
