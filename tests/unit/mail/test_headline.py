"""The headline of a mail: what people search by."""

import random

import pytest

from shared.domain.email import Headline
from shared.mail.headline import headline


def test_the_three_fields_are_taken_from_a_usual_mail() -> None:
    raw = (
        b"Received: from a by b;\r\n\tMon, 5 Jan 2026 10:00:00 +0000\r\n"
        b'From: "Doe, J\xc3\xb6rg" <Joerg@B\xc3\xbccher.example>\r\n'
        b"Subject: =?utf-8?q?Drucker_in_K=C3=B6ln?=\r\n =?utf-8?B?IGJyZW5udA==?=\r\n"
        b"message-id:\r\n <one@x.example>\r\n\r\nSubject: not this\r\n"
    )
    assert headline(raw) == Headline(
        message_id="<one@x.example>", sender="joerg@xn--bcher-kva.example", subject="Drucker in Köln brennt"
    )


def test_line_ends_without_carriage_return_are_the_same() -> None:
    assert headline(b"Subject: a\nMessage-ID: <b@c>\n\nX").subject == "a"
    assert headline(b"Subject: a\nMessage-ID: <b@c>\n\nX").message_id == "<b@c>"


def test_the_first_of_two_fields_counts() -> None:
    assert headline(b"Subject: one\r\nSubject: two\r\n\r\n").subject == "one"


@pytest.mark.parametrize("raw", [b"", b"\r\n\r\n", b"no header at all", b"\xff" * 100_000, b"From: <<<>>>\r\n\r\n"])
def test_what_is_missing_is_none(raw: bytes) -> None:
    found = headline(raw)
    assert (found.message_id, found.sender) == (None, None)


def test_a_subject_has_no_line_breaks_and_an_end() -> None:
    subject = headline(b"Subject: =?utf-8?q?a=0D=0ABcc=3A_x?= " + b"y" * 100_000 + b"\r\n\r\n").subject
    assert "\n" not in subject
    assert "\r" not in subject
    assert len(subject) <= 500


def test_any_bytes_give_a_headline() -> None:
    chance = random.Random(7)
    for _ in range(3000):
        junk = chance.randbytes(chance.randrange(60))
        headline(b"Subject: =?" + junk + b"?b?" + junk + b"?=\r\nFrom: " + junk + b"\r\nMessage-ID: " + junk)
