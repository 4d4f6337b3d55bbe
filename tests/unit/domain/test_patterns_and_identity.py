"""Addresses, patterns, and ids that are derived."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from shared.domain import identity
from shared.domain.patterns import address_matches, domain_matches, normalise_address, normalise_domain


@pytest.mark.parametrize(
    ("given", "normal"),
    [
        ("Alice@Example.ORG", "alice@example.org"),
        ("alice@example.org.", "alice@example.org"),
        ("a@bücher.example", "a@xn--bcher-kva.example"),
        ("a@b@c.example", None),
        ("nobody", None),
        ("@example.org", None),
        ("a b@example.org", None),
        ("a@-bad-.example", None),
        ("a@", None),
    ],
)
def test_addresses_are_normalised_or_refused(given: str, normal: str | None) -> None:
    """Domain by IDNA, case folded."""
    assert normalise_address(given) == normal


def test_domains_are_normalised() -> None:
    """Upper case, IDN and a trailing dot do not make another domain."""
    assert normalise_domain("BÜCHER.example.") == "xn--bcher-kva.example"
    assert normalise_domain("a b") is None


@pytest.mark.parametrize(
    ("pattern", "address", "covered"),
    [
        ("spam@example.org", "spam@example.org", True),
        ("spam@example.org", "ham@example.org", False),
        ("*@example.org", "a@example.org", True),
        ("*@example.org", "a@sub.example.org", False),
        ("*.example.org", "a@sub.example.org", True),
        ("*.example.org", "a@example.org", False),
        ("example.org", "a@example.org", True),
        ("example.org", "a@notexample.org", False),
        ("no-?eply*@*.example.org", "no-reply7@x.example.org", True),
        ("user[1]@example.org", "user[1]@example.org", True),
        ("user[1]@example.org", "user1@example.org", False),
    ],
)
def test_blocked_patterns_cover_what_they_say(pattern: str, address: str, covered: bool) -> None:
    """Addresses, `*@domain`, `*.domain`, domains, globs."""
    assert address_matches(pattern, address) is covered


def test_subdomains_are_covered_only_where_written() -> None:
    """Approved domains are exact."""
    assert domain_matches("example.org", "example.org")
    assert not domain_matches("example.org", "a.example.org")
    assert domain_matches("*.example.org", "a.b.example.org")
    assert not domain_matches("*.example.org", "evilexample.org")


def test_a_mail_id_depends_on_mailbox_date_bytes_and_copy_and_nothing_else() -> None:
    """Renumbered UIDs do not matter, a second copy does."""
    at = datetime(2026, 1, 1, tzinfo=UTC)
    content = identity.content_id("support", at, b"raw")
    same = identity.content_id("support", at.astimezone(timezone(timedelta(hours=5))), b"raw")
    others = {
        identity.content_id("other", at, b"raw"),
        identity.content_id("support", at + timedelta(seconds=1), b"raw"),
        identity.content_id("support", at, b"raw2"),
    }
    assert content == same
    assert len(others | {content}) == 4
    assert identity.mail_id(content, 0) == identity.mail_id(same, 0) != identity.mail_id(content, 1)


def test_numbers_are_for_people() -> None:
    """Six digits, more when needed."""
    assert identity.number("INC", 42) == "INC-000042"
    assert identity.number("REQ", 1234567) == "REQ-1234567"
