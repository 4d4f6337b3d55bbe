"""Marks: only we can make them, and they survive what mail programs do to them."""

import pytest

from shared.domain.email import Recipient, Source
from shared.domain.identity import ticket_id
from shared.domain.marks import Mark, MarkedBy, Marks
from tests.support import builders

OURS, THEIRS = Marks([b"o" * 32]), Marks([b"t" * 32])
TICKET, OTHER = ticket_id("m1"), ticket_id("m2")
PLUS = OURS.plus_address("support@example.com", "INC-000042")


def test_the_acknowledgement_of_a_ticket_always_has_the_same_message_id() -> None:
    assert OURS.message_id(TICKET, "example.com") == OURS.message_id(TICKET, "example.com")
    assert OURS.message_id(TICKET, "example.com") != OURS.message_id(OTHER, "example.com")


@pytest.mark.parametrize("case", [str, str.upper])
def test_a_reply_names_our_mail(case) -> None:
    mail = builders.email(in_reply_to=(case(OURS.message_id(TICKET, "example.com")),))
    assert OURS.of(mail) == (Mark(MarkedBy.IN_REPLY_TO, ticket_id=TICKET),)


def test_the_newest_reference_comes_first() -> None:
    ids = (OURS.message_id(TICKET, "a.example"), "<x@y>", OURS.message_id(OTHER, "a.example"))
    assert [one.ticket_id for one in OURS.of(builders.email(references=ids))] == [OTHER, TICKET]


def test_the_strongest_mark_comes_first() -> None:
    mail = builders.email(
        in_reply_to=(OURS.message_id(TICKET, "example.com"),),
        references=(OURS.message_id(TICKET, "example.com"),),
        recipients=(Recipient(address=PLUS, source=Source.TO),),
        reported_ids=(OURS.message_id(OTHER, "example.com"),),
        subject=f"Re: [{OURS.tag('INC-000042')}] Printer",
    )
    assert [one.by for one in OURS.of(mail)] == list(MarkedBy)


def test_an_address_with_a_mark_is_still_the_mailbox() -> None:
    assert OURS.base_address(PLUS) == "support@example.com"
    assert THEIRS.base_address(PLUS) == PLUS


@pytest.mark.parametrize(
    "subject", ["Re: [{tag}] Printer", "AW: WG: [{tag}]", "[{upper}]", "Fwd: (x) [{tag}] [{tag}] y"]
)
def test_a_subject_keeps_its_tag(subject: str) -> None:
    text = subject.format(tag=OURS.tag("INC-000042"), upper=OURS.tag("INC-000042").upper())
    assert OURS.of(builders.email(subject=text)) == (Mark(MarkedBy.SUBJECT, number="INC-000042"),)


@pytest.mark.parametrize(
    "changes",
    [
        {"in_reply_to": (THEIRS.message_id(TICKET, "example.com"),)},
        {"references": (THEIRS.message_id(TICKET, "example.com"),)},
        {"recipients": (Recipient(address=PLUS.replace("inc-000042", "inc-000043"), source=Source.TO),)},
        {"reported_ids": (THEIRS.message_id(TICKET, "example.com"),)},
        {"subject": f"[{THEIRS.tag('INC-000042')}]"},
        {"subject": f"[{OURS.tag('INC-000042').replace('42', '43')}]"},
        {"loop_marker": THEIRS.loop_marker(TICKET)},
    ],
)
def test_a_forged_mark_counts_for_nothing_and_is_noticed(changes: dict) -> None:
    mail = builders.email(**changes)
    assert OURS.of(mail) == ()
    assert OURS.forged(mail)


def test_mail_without_marks_is_no_forgery() -> None:
    mail = builders.email(subject="[INC-000042] [#12] Printer", references=("<ack.me@example.com>",))
    assert OURS.of(mail) == ()
    assert not OURS.forged(mail)


def test_only_our_own_loop_marker_is_ours() -> None:
    assert OURS.is_loop_marker(f" {OURS.loop_marker(TICKET)} ")
    assert not OURS.is_loop_marker(THEIRS.loop_marker(TICKET))
    assert not OURS.is_loop_marker(None)


def test_marks_of_an_older_key_are_still_known() -> None:
    both = Marks([b"n" * 32, b"o" * 32])
    assert both.of(builders.email(in_reply_to=(OURS.message_id(TICKET, "x.example"),)))
    assert both.message_id(TICKET, "x.example") != OURS.message_id(TICKET, "x.example")


def test_a_code_of_one_purpose_is_no_code_of_another() -> None:
    code = OURS.loop_marker(TICKET).rpartition(".")[2]
    assert not OURS.of(builders.email(in_reply_to=(f"<ack.{TICKET}.{code}@example.com>",)))
