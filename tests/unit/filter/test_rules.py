"""Each filter rule, in both of its settings."""

from typing import Any

import pytest

from services.filter.decide import decide, explain, gather, screen, settle
from services.filter.rules import RULES
from services.filter.rules.rule import Facts
from shared.domain.decision import Reason, Verdict
from shared.domain.email import Automatic, Email, SenderStatus
from shared.domain.identity import ticket_id
from shared.domain.mailbox import Mailbox
from shared.domain.marks import Marks
from shared.mail.parse import parse
from tests.support.builders import mailbox as build_mailbox
from tests.support.mails import mail

NOBODY = Facts()
MARKS, OTHERS = Marks([b"o" * 32]), Marks([b"t" * 32])
TICKET = ticket_id("m1")
ACKNOWLEDGEMENT = MARKS.message_id(TICKET, "example.com")


def bounce(message_id: str) -> bytes:
    return (
        f"Return-Path: <>\nFrom: MAILER-DAEMON@mx.elsewhere.example\nSubject: failure notice\n\n"
        f"Hi. This is the qmail-send program.\n\nMessage-ID: {message_id}\n"
    ).encode()


def box(**domains: Any) -> Mailbox:
    return build_mailbox(email="support@example.com", aliases=("help@example.com",), domains=domains)


def verdict(rule: Reason, found: Email, mailbox: Mailbox, facts: Facts = NOBODY) -> Verdict:
    steps = {step.rule: step for step in explain(found, mailbox, facts).trace}
    return steps[rule.value].verdict


def test_the_rules_stand_in_the_order_that_people_are_told() -> None:
    assert [rule.name for rule in RULES] == [
        "own_loop",
        "blocked_sender",
        "domain_not_approved",
        "sender_not_aligned",
        "automatic_mail",
        "not_in_to",
        "subject_no_match",
        "duplicate_of",
    ]


def test_every_rule_has_a_title_and_a_text_for_people() -> None:
    for rule in RULES:
        assert rule.title
        assert rule.about is not None and len(rule.about) > 100


@pytest.mark.parametrize(
    ("sender", "headers", "own", "expected"),
    [
        ("ann@people.example", {}, frozenset[str](), Verdict.PASSED),
        ("Support@Example.com", {}, frozenset[str](), Verdict.REJECTED),
        ("help@example.com", {}, frozenset[str](), Verdict.REJECTED),
        ("requests@example.com", {}, frozenset({"requests@example.com"}), Verdict.REJECTED),
        ("requests@example.com", {}, frozenset[str](), Verdict.PASSED),
        ("ann@people.example", {"X-Ticket-Loop": MARKS.loop_marker(TICKET)}, frozenset[str](), Verdict.REJECTED),
        ("ann@people.example", {"X-Ticket-Loop": OTHERS.loop_marker(TICKET)}, frozenset[str](), Verdict.PASSED),
        ("ann@people.example", {"X-Ticket-Loop": "v1.abc"}, frozenset[str](), Verdict.PASSED),
    ],
)
def test_own_loop(sender: str, headers: dict[str, str], own: frozenset[str], expected: Verdict) -> None:
    """Rows 54 and 58 of the hostile inputs: only our own marker counts; our mailboxes do not write to each other."""
    found = parse(mail(sender=sender, headers=headers))
    assert verdict(Reason.OWN_LOOP, found, box(), gather(found, own, MARKS)) is expected


def test_a_forged_mark_is_told_in_the_trace() -> None:
    """Row 50: a false token is no match."""
    found = parse(mail(headers={"References": OTHERS.message_id(TICKET, "example.com")}))
    facts = gather(found, frozenset(), MARKS)
    assert (facts.forged_mark, facts.answers_ours) == (True, False)
    step = next(one for one in explain(found, box(), facts).trace if one.rule == "own_loop")
    assert (step.verdict, step.looked_at["forged_mark"]) == (Verdict.PASSED, "yes")
    assert "only looks like ours" in step.sentence


def test_without_the_keys_no_mark_is_known_genuine_or_forged() -> None:
    found = parse(mail(headers={"X-Ticket-Loop": MARKS.loop_marker(TICKET), "In-Reply-To": ACKNOWLEDGEMENT}))
    assert gather(found, frozenset(), None) == NOBODY


@pytest.mark.parametrize("kind", [Automatic.BOUNCE, Automatic.OUT_OF_OFFICE, Automatic.LIST, Automatic.NOTICE, None])
@pytest.mark.parametrize("answers", [True, False])
def test_a_program_s_mail_from_our_own_address_is_no_loop_if_it_is_about_a_mail_of_ours(
    kind: Automatic | None, answers: bool
) -> None:
    found = parse(mail(sender="support@example.com")).model_copy(update={"automatic": kind})
    passes = answers and kind in (Automatic.BOUNCE, Automatic.OUT_OF_OFFICE)
    expected = Verdict.PASSED if passes else Verdict.REJECTED
    assert verdict(Reason.OWN_LOOP, found, box(), Facts(answers_ours=answers)) is expected
    assert verdict(Reason.OWN_LOOP, found, box(), Facts(answers_ours=answers, own_loop_marker=True)) is Verdict.REJECTED


@pytest.mark.parametrize(
    ("kind", "setting"),
    [
        (Automatic.BOUNCE, "bounces"),
        (Automatic.OUT_OF_OFFICE, "out_of_office"),
        (Automatic.LIST, "lists"),
        (Automatic.NOTICE, "notices"),
    ],
)
def test_automatic_mail_is_rejected_where_the_mailbox_says_so(kind: Automatic, setting: str) -> None:
    """Row 60 and its kin; what answers a mail of ours is taken whatever is set (row 59)."""
    found = parse(mail()).model_copy(update={"automatic": kind})
    others = {"bounces", "out_of_office", "lists", "notices"} - {setting}
    rejecting = build_mailbox(automatic_mail={setting: "reject"})
    taking = build_mailbox(automatic_mail=dict.fromkeys(others, "reject"))
    assert verdict(Reason.AUTOMATIC_MAIL, found, box()) is Verdict.OFF
    assert verdict(Reason.AUTOMATIC_MAIL, found, taking) is Verdict.PASSED
    assert verdict(Reason.AUTOMATIC_MAIL, found, rejecting) is Verdict.REJECTED
    assert decide(found, rejecting, NOBODY).rejected is Reason.AUTOMATIC_MAIL
    assert verdict(Reason.AUTOMATIC_MAIL, found, rejecting, Facts(answers_ours=True)) is Verdict.PASSED
    assert verdict(Reason.AUTOMATIC_MAIL, parse(mail()), rejecting) is Verdict.PASSED


def test_a_report_about_a_mail_of_ours_reaches_its_ticket_from_any_server_unless_that_is_blocked() -> None:
    """Row 59: the daemon's domain is approved nowhere, and nobody stands in To."""
    strict = build_mailbox(
        automatic_mail={"bounces": "reject"},
        domains={
            "approved_domains_only": True,
            "approved_domains": ("people.example",),
            "only_if_in_to": True,
            "full_subject_match": True,
            "subject_keywords": ("Password reset",),
        },
    )
    found = parse(bounce(MARKS.message_id(TICKET, "example.com")))
    assert decide(found, strict, gather(found, frozenset(), MARKS)).rejected is None
    assert decide(found, strict, gather(found, frozenset(), OTHERS)).rejected is Reason.DOMAIN_NOT_APPROVED
    blocking = box(blocked_senders=("mailer-daemon@*",))
    assert decide(found, blocking, gather(found, frozenset(), MARKS)).rejected is Reason.BLOCKED_SENDER


def test_an_automatic_answer_from_a_domain_that_is_not_approved_stays_out() -> None:
    found = parse(mail(headers={"In-Reply-To": ACKNOWLEDGEMENT, "Auto-Submitted": "auto-replied"}))
    mailbox = box(approved_domains_only=True, approved_domains=("elsewhere.example",))
    assert decide(found, mailbox, gather(found, frozenset(), MARKS)).rejected is Reason.DOMAIN_NOT_APPROVED


@pytest.mark.parametrize(("marks", "expected"), [("ours", Verdict.PASSED), ("theirs", Verdict.REJECTED)])
def test_the_mailbox_s_address_with_a_ticket_s_mark_is_the_mailbox(marks: str, expected: Verdict) -> None:
    to = {"ours": MARKS, "theirs": OTHERS}[marks].plus_address("support@example.com", "INC-000042")
    found = parse(mail(to=to))
    assert verdict(Reason.NOT_IN_TO, found, box(only_if_in_to=True), gather(found, frozenset(), MARKS)) is expected


@pytest.mark.parametrize("on", [True, False])
def test_a_mail_that_answers_ours_needs_no_subject_of_the_list(on: bool) -> None:
    mailbox = box(full_subject_match=on, subject_keywords=("Password reset",))
    found = parse(mail(subject="It still burns", headers={"In-Reply-To": ACKNOWLEDGEMENT}))
    facts = gather(found, frozenset(), MARKS)
    assert verdict(Reason.SUBJECT_NO_MATCH, found, mailbox, facts) is (Verdict.PASSED if on else Verdict.OFF)
    if on:
        step = next(one for one in explain(found, mailbox, facts).trace if one.rule == "subject_no_match")
        assert "answers a mail of ours" in step.sentence
        assert verdict(Reason.SUBJECT_NO_MATCH, found, mailbox, NOBODY) is Verdict.REJECTED


@pytest.mark.parametrize(
    ("patterns", "sender", "expected"),
    [
        ((), "ann@people.example", Verdict.OFF),
        (("ann@people.example",), "ann@people.example", Verdict.REJECTED),
        (("ann@people.example",), "ANN@People.Example", Verdict.REJECTED),
        (("ann@people.example",), "joann@people.example", Verdict.PASSED),
        (("*@people.example",), "bob@people.example", Verdict.REJECTED),
        (("*@people.example",), "bob@a.people.example", Verdict.PASSED),
        (("people.example",), "bob@people.example", Verdict.REJECTED),
        (("*.people.example",), "bob@a.people.example", Verdict.REJECTED),
        (("*.people.example",), "bob@people.example", Verdict.PASSED),
        (("no?reply*@*",), "no-reply-7@x.example", Verdict.REJECTED),
        (("x.example", "ann@people.example"), "ann@people.example", Verdict.REJECTED),
    ],
)
def test_blocked_sender(patterns: tuple[str, ...], sender: str, expected: Verdict) -> None:
    assert verdict(Reason.BLOCKED_SENDER, parse(mail(sender=sender)), box(blocked_senders=patterns)) is expected


def test_the_display_name_of_a_blocked_sender_blocks_nobody() -> None:
    found = parse(mail(sender='"ceo@bad.example" <ann@people.example>'))
    assert verdict(Reason.BLOCKED_SENDER, found, box(blocked_senders=("*@bad.example",))) is Verdict.PASSED


@pytest.mark.parametrize(
    ("on", "sender", "expected"),
    [
        (False, "ann@anywhere.example", Verdict.OFF),
        (True, "ann@people.example", Verdict.PASSED),
        (True, "ann@PEOPLE.example", Verdict.PASSED),
        (True, "ann@sub.people.example", Verdict.REJECTED),
        (True, "ann@sub.partner.example", Verdict.PASSED),
        (True, "ann@partner.example", Verdict.REJECTED),
        (True, "ann@notpeople.example", Verdict.REJECTED),
        (True, None, Verdict.REJECTED),
    ],
)
def test_approved_domains(on: bool, sender: str | None, expected: Verdict) -> None:
    mailbox = box(approved_domains_only=on, approved_domains=("people.example", "*.partner.example"))
    assert verdict(Reason.DOMAIN_NOT_APPROVED, parse(mail(sender=sender)), mailbox) is expected


def test_a_sender_of_two_mailboxes_comes_from_no_approved_domain() -> None:
    found = parse(b"From: a@people.example, b@people.example\n\nx")
    assert found.sender_status is SenderStatus.AMBIGUOUS
    mailbox = box(approved_domains_only=True, approved_domains=("people.example",))
    assert verdict(Reason.DOMAIN_NOT_APPROVED, found, mailbox) is Verdict.REJECTED


@pytest.mark.parametrize(
    ("to", "cc", "place", "on"),
    [
        ("support@example.com", None, "To", Verdict.PASSED),
        ("HELP@example.com", None, "To", Verdict.PASSED),
        ("x@y.example, Support <support@example.com>", None, "To", Verdict.PASSED),
        ("x@y.example", "support@example.com", "Cc", Verdict.REJECTED),
        ("support@example.com", "support@example.com", "To", Verdict.PASSED),
        ("x@y.example", None, "Bcc", Verdict.REJECTED),
        (None, None, "Bcc", Verdict.REJECTED),
        ('"support@example.com" <x@y.example>', None, "Bcc", Verdict.REJECTED),
    ],
)
def test_to_address(to: str | None, cc: str | None, place: str, on: Verdict) -> None:
    found = parse(mail(to=to, cc=cc))
    assert verdict(Reason.NOT_IN_TO, found, box(only_if_in_to=True)) is on
    assert verdict(Reason.NOT_IN_TO, found, box(only_if_in_to=False)) is Verdict.OFF
    step = next(one for one in explain(found, box(), NOBODY).trace if one.rule == "not_in_to")
    assert step.looked_at == {"found_in": place}


def test_a_list_of_recipients_too_long_to_read_rejects_nobody() -> None:
    many = ", ".join(f"user{one}@y.example" for one in range(600)) + ", support@example.com"
    found = parse(f"From: a@b.example\nTo: {many}\n\nx".encode())
    assert verdict(Reason.NOT_IN_TO, found, box(only_if_in_to=True)) is Verdict.PASSED


@pytest.mark.parametrize(
    ("on", "subject", "expected"),
    [
        (False, "anything", Verdict.OFF),
        (True, "Password Reset", Verdict.PASSED),
        (True, "password  reset", Verdict.PASSED),
        (True, "Re: AW: PASSWORD RESET", Verdict.PASSED),
        (True, "password reset please", Verdict.REJECTED),
        (True, "password", Verdict.REJECTED),
        (True, "Zugang für Straße", Verdict.PASSED),
        (True, "", Verdict.REJECTED),
    ],
)
def test_full_subject_match(on: bool, subject: str, expected: Verdict) -> None:
    mailbox = box(full_subject_match=on, subject_keywords=("Password reset", "ZUGANG FÜR STRASSE"))
    assert verdict(Reason.SUBJECT_NO_MATCH, parse(mail(subject=subject)), mailbox) is expected


def test_a_partial_subject_is_rejected_with_that_reason() -> None:
    mailbox = box(full_subject_match=True, subject_keywords=("Password reset",))
    partial = decide(parse(mail(subject="Password reset please")), mailbox, NOBODY)
    other = decide(parse(mail(subject="Printer")), mailbox, NOBODY)
    assert (partial.rejected, other.rejected) == (Reason.SUBJECT_NO_MATCH, Reason.SUBJECT_NO_MATCH)
    assert "only contains" in partial.sentence
    assert "only contains" not in other.sentence


@pytest.mark.parametrize(
    ("allowed", "duplicate_of", "expected"),
    [
        (True, None, Verdict.OFF),
        (True, "m0", Verdict.OFF),
        (False, None, Verdict.PASSED),
        (False, "m0", Verdict.DIVERTED),
    ],
)
def test_duplicates(allowed: bool, duplicate_of: str | None, expected: Verdict) -> None:
    found, mailbox, facts = parse(mail()), box(allow_duplicates=allowed), Facts(duplicate_of=duplicate_of)
    assert verdict(Reason.DUPLICATE_OF, found, mailbox, facts) is expected
    assert decide(found, mailbox, facts).duplicate_of == (duplicate_of if expected is Verdict.DIVERTED else None)


def test_the_first_rejection_ends_the_evaluation_but_an_explanation_asks_every_rule() -> None:
    mailbox = box(blocked_senders=("people.example",), only_if_in_to=True, allow_duplicates=False)
    found = parse(mail(to="x@y.example"))
    facts = Facts(duplicate_of="m0")
    decided, explained = decide(found, mailbox, facts), explain(found, mailbox, facts)
    assert [step.rule for step in decided.trace] == ["own_loop", "blocked_sender"]
    assert [step.rule for step in explained.trace] == [rule.name for rule in RULES]
    assert (decided.rejected, decided.sentence) == (explained.rejected, explained.sentence)
    assert decided.rejected is Reason.BLOCKED_SENDER
    assert explained.duplicate_of is decided.duplicate_of is None


def test_a_mail_is_judged_in_two_beats_as_in_one() -> None:
    mailbox, found, facts = box(allow_duplicates=False), parse(mail()), Facts(duplicate_of="m0")
    screened = screen(found, mailbox, NOBODY)
    assert (screened.rejected, screened.duplicate_of) == (None, None)
    assert "duplicate_of" not in [step.rule for step in screened.trace]
    assert settle(screened, found, mailbox, facts) == decide(found, mailbox, facts)
    rejected = screen(found, box(blocked_senders=("people.example",)), NOBODY)
    assert settle(rejected, found, mailbox, facts) == rejected
