"""Addresses: exactly or not at all."""

import pytest

from shared.domain.email import SenderStatus
from shared.mail.parse import parse
from tests.support.cost import within

OK, AMBIGUOUS, MISSING = SenderStatus.OK, SenderStatus.AMBIGUOUS, SenderStatus.MISSING


@pytest.mark.parametrize(
    ("field", "status", "address"),
    [
        ("Alice <Alice@Example.ORG>", OK, "alice@example.org"),
        ("alice@example.org (Alice (work))", OK, "alice@example.org"),
        ("<alice@example.org>", OK, "alice@example.org"),
        ("J. Q. Public <j@example.org>", OK, "j@example.org"),
        ('"Public, J." <j@example.org>', OK, "j@example.org"),
        ("j@example.org <j@example.org>", OK, "j@example.org"),
        ('"alice"@example.org', OK, "alice@example.org"),
        ('"ceo@bank.example" <x@evil.example>', OK, "x@evil.example"),
        ("=?utf-8?q?M=C3=BCller=2C_J?= <j@müller.example>", OK, "j@xn--mller-kva.example"),
        ("a@example.org.", OK, "a@example.org"),
        ("alice@example.org(<bob@example.org>", AMBIGUOUS, None),
        (")<", AMBIGUOUS, None),
        ("<<a>>", AMBIGUOUS, None),
        ("a@b@c", AMBIGUOUS, None),
        ("a@[127.0.0.1]", AMBIGUOUS, None),
        ('"a b"@example.org', AMBIGUOUS, None),
        ("a@example.org, b@example.org", AMBIGUOUS, None),
        ("team: a@example.org;", AMBIGUOUS, None),
        ("=?utf-8?q?a=40b?=c@host", AMBIGUOUS, None),
        ("bob@bank.example <x@evil.example>", AMBIGUOUS, None),
        ("Smith, John <j@example.org>", AMBIGUOUS, None),
        ("Bob <a@example.org> <b@example.org>", AMBIGUOUS, None),
        ("MAILER-DAEMON", AMBIGUOUS, None),
        ("a" * 300 + "@example.org", AMBIGUOUS, None),
        ("<>", MISSING, None),
        ("", MISSING, None),
    ],
)
def test_the_sender_is_exactly_one_mailbox_or_nobody(field: str, status: SenderStatus, address: str | None) -> None:
    found = parse(f"From: {field}\n\nx".encode())
    assert (found.sender_status, found.sender and found.sender.address) == (status, address)


def test_two_from_fields_are_ambiguous() -> None:
    assert parse(b"From: a@b.example\nFrom: a@b.example\n\nx").sender_status is AMBIGUOUS


def test_a_display_name_that_poses_as_an_address_is_flagged() -> None:
    found = parse(b'From: "ceo@bank.example" <x@evil.example>\n\nx')
    assert found.sender is not None
    assert found.sender.display == "ceo@bank.example"
    assert "sender_display_address" in found.flags


def test_of_a_broken_list_the_sound_addresses_are_kept() -> None:
    found = parse(b"To: Broken <<x>, Bob <bob@x.example>, team: a@b.example, d@e.example;, g@h.example\n\nx")
    assert [one.address for one in found.recipients] == ["bob@x.example", "a@b.example", "d@e.example", "g@h.example"]
    assert "bad_recipient" in found.flags


def test_undisclosed_recipients_are_nobody_and_nothing_odd() -> None:
    found = parse(b"From: a@b.example\nMessage-ID: <1@x>\nTo: undisclosed-recipients:;\n\nx")
    assert (found.recipients, found.flags) == ((), ())


@pytest.mark.parametrize("evil", [b"(", b'"', b"\\", b"<", b"(\\", b'"a', b"@", b",(", b"a@b.c,", b"=?"])
def test_no_field_takes_long(evil: bytes) -> None:
    field = evil * (60_000 // len(evil))
    within(900, lambda: parse(b"From: " + field + b"\nTo: " + field + b"\n\nx"))
