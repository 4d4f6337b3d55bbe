"""Addresses and the patterns that administrators write for them. Pure text work, no look-ups.

Patterns for blocked senders: `a@b.example` (exactly that address), `*@b.example` (that domain), `*.b.example`
(its subdomains, not itself), a bare `b.example` (that domain), or a glob with `*` and `?` over the whole address.
Patterns for approved domains: `b.example` (exactly it) or `*.b.example` (its subdomains, not itself).
"""

import fnmatch
import re
from typing import Annotated

import idna
from pydantic import AfterValidator

_LABEL = re.compile(r"^(?!-)[a-z0-9_-]{1,63}(?<!-)$")


def normalise_domain(domain: str) -> str | None:
    """A domain in lower-case ASCII (IDNA 2008 with UTS 46 mapping), without a trailing dot; None if it is none."""
    text = domain.strip().rstrip(".")
    if not text.isascii():
        try:
            text = idna.encode(text, uts46=True).decode("ascii")
        except (idna.IDNAError, UnicodeError):
            return None
    text = text.lower()
    if not text or len(text) > 253 or not all(_LABEL.match(label) for label in text.split(".")):
        return None
    return text


def normalise_address(address: str) -> str | None:
    """An address with its domain normalised and its local part lower-cased for comparison; None if it is none.

    The local part is kept but for its case: no mail system in use tells two people apart by case.
    """
    local, at, domain = address.strip().rpartition("@")
    plain = normalise_domain(domain)
    if not at or not local or plain is None or len(local) > 64 or any(ch.isspace() or ch in "<>,;@" for ch in local):
        return None
    return f"{local.lower()}@{plain}"


def domain_of(address: str) -> str:
    """The domain part of a normalised address."""
    return address.rpartition("@")[2]


def _domain_pattern(text: str) -> str:
    star, rest = ("*.", text[2:]) if text.startswith("*.") else ("", text)
    domain = normalise_domain(rest)
    if domain is None:
        raise ValueError("is not a domain (write example.org, or *.example.org for its subdomains)")
    return star + domain


def _address_pattern(text: str) -> str:
    text = text.strip().lower()
    if text.startswith("*.") or "@" not in text:
        return _domain_pattern(text)
    if "*" in text or "?" in text:
        local, at, domain = text.rpartition("@")
        plain = normalise_domain(domain) if not set(domain) & set("*?") else domain
        if plain is None:
            raise ValueError("has a domain that is none")
        return f"{local}{at}{plain}"
    address = normalise_address(text)
    if address is None:
        raise ValueError("is not an address, a domain, *@domain, *.domain or a glob")
    return address


DomainPattern = Annotated[str, AfterValidator(_domain_pattern)]
AddressPattern = Annotated[str, AfterValidator(_address_pattern)]


def domain_matches(pattern: str, domain: str) -> bool:
    """Whether a DomainPattern covers a normalised domain. `*.b.example` covers `a.b.example`, not `b.example`."""
    return domain.endswith(pattern[1:]) if pattern.startswith("*.") else domain == pattern


def address_matches(pattern: str, address: str) -> bool:
    """Whether a normalised address is covered by an AddressPattern."""
    if "@" not in pattern:
        return domain_matches(pattern, domain_of(address))
    return fnmatch.fnmatchcase(address, pattern.replace("[", "[[]"))
