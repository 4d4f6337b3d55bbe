"""Fingerprints: when two mails are one."""

from datetime import timedelta
from typing import Any

from services.filter.fingerprints import keys, needed
from shared.mail.parse import parse
from tests.support.builders import mailbox
from tests.support.mails import Attached, mail


def shared(one: bytes, two: bytes, box: str = "support", other: str = "support") -> list[bool]:
    """For each key that two mails share: whether it counts only for a window."""
    theirs = {key.key for key in keys(other, parse(two))}
    return [key.windowed for key in keys(box, parse(one)) if key.key in theirs]


def test_the_same_mail_twice_shares_both_keys() -> None:
    raw = mail(message_id="<1@x>")
    assert shared(raw, raw) == [False, True]


def test_a_reused_message_id_with_another_body_shares_nothing() -> None:
    assert shared(mail(message_id="<1@x>", text="one"), mail(message_id="<1@x>", text="two")) == []


def test_a_mail_sent_again_shares_the_key_of_the_window() -> None:
    assert shared(mail(subject="Printer"), mail(subject="RE:  PRINTER")) == [True]


def test_another_sender_subject_or_attachment_shares_nothing() -> None:
    for other in (
        mail(sender="bob@people.example"),
        mail(subject="Scanner"),
        mail(attachments=[Attached("a.txt", b"x")]),
    ):
        assert shared(mail(), other) == []


def test_mailboxes_share_nothing() -> None:
    raw = mail(message_id="<1@x>")
    assert shared(raw, raw, "support", "requests") == []


def test_a_mail_without_message_id_or_sender_lacks_that_key() -> None:
    assert [key.windowed for key in keys("support", parse(mail(message_id=None)))] == [True]
    assert [key.windowed for key in keys("support", parse(mail(sender=None)))] == [False]
    assert keys("support", parse(b"From: a@b.c, d@e.f\n\nx")) == ()


def test_two_answers_that_say_the_same_are_two_but_one_delivered_twice_is_one() -> None:
    one, other = parse(mail(text="Thanks")), parse(mail(text="Thanks"))
    first, second = ({key.key for key in keys("support", found, answers_ours=True)} for found in (one, other))
    assert first & second == set()
    assert first == {key.key for key in keys("support", one, answers_ours=True)}
    assert [key.windowed for key in keys("support", one, answers_ours=True)] == [False]


def test_keys_are_digests() -> None:
    assert all(len(key.key) == 64 and int(key.key, 16) >= 0 for key in keys("support", parse(mail())))


def test_the_window_and_the_need_are_the_mailbox_s() -> None:
    def box(**domains: Any) -> Any:
        return mailbox(domains=domains)

    message, window = keys("support", parse(mail()))
    assert message.window(box(duplicate_window_hours=2)) is None
    assert window.window(box(duplicate_window_hours=2)) == timedelta(hours=2)
    assert (needed(box(allow_duplicates=True)), needed(box(allow_duplicates=False))) == (False, True)
