"""The bytes of an acknowledgement: exactly the headers that were meant, whatever the mail said."""

import email.policy
from email import message_from_bytes
from email.message import EmailMessage
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.notifier.compose import LINE_MAX, Letter, compose
from services.notifier.conditions.condition import Reason
from services.notifier.decide import Answer, Suppressed
from shared.domain.catalogue import Catalogue, Department, Service
from shared.domain.decision import Classification
from shared.domain.mailbox import Mailbox
from shared.domain.marks import MarkedBy, Marks
from shared.domain.ticket import Ticket
from tests.support import builders
from tests.support.notifying import ticket

MARKS = Marks([b"k" * 32])
CATALOGUE = Catalogue(
    services=(Service(name="printing", title="Printing & Scanning"),), departments=(Department(name="it"),)
)
EXPECTED = [
    "From",
    "To",
    "Subject",
    "Date",
    "Message-ID",
    "In-Reply-To",
    "References",
    "Auto-Submitted",
    "X-Auto-Response-Suppress",
    "X-Ticket-Loop",
    "MIME-Version",
    "Content-Type",
    "Content-Transfer-Encoding",
]


def mailbox(subject: str = "[{tag}] We received your mail", text: str = "{number}", **changes: Any) -> Mailbox:
    spec = builders.spec(
        email="support@desk.example",
        smtp={"host": "smtp.desk.example"},
        acknowledgements={"enabled": True, "subject": subject, "text": text},
        **changes,
    )
    return Mailbox(name="support", spec=spec)


def written(
    made: Ticket | None = None, box: Mailbox | None = None, *, vouched: bool = True, to: str = "alice@example.org"
) -> Letter:
    found = attempt(made, box, vouched=vouched, to=to)
    assert isinstance(found, Letter)
    return found


def attempt(
    made: Ticket | None = None, box: Mailbox | None = None, *, vouched: bool = True, to: str = "alice@example.org"
) -> Letter | Suppressed:
    return compose(made or ticket(), box or mailbox(), Answer(to, vouched), MARKS, CATALOGUE, builders.AT)


def parsed(letter: Letter) -> EmailMessage:
    return cast(EmailMessage, message_from_bytes(letter.content, policy=email.policy.default))


def test_it_has_exactly_these_headers_with_these_values() -> None:
    made = ticket(references=("<0@example.org>",))
    letter = written(made)
    mail = parsed(letter)
    assert mail.keys() == EXPECTED
    assert (mail["From"], mail["To"]) == ("support@desk.example", "alice@example.org")
    assert mail["Subject"] == f"[{MARKS.tag('INC-000001')}] We received your mail"
    assert mail["Message-ID"] == letter.message_id == MARKS.message_id(made.ticket_id, "desk.example")
    assert (mail["In-Reply-To"], mail["References"]) == ("<1@example.org>", "<0@example.org> <1@example.org>")
    assert (mail["Auto-Submitted"], mail["X-Auto-Response-Suppress"]) == ("auto-replied", "All")
    assert MARKS.is_loop_marker(mail["X-Ticket-Loop"])
    assert mail.get_content_type() == "text/plain" and mail.get_content_charset() == "utf-8"
    assert mail.get_content().strip() == "INC-000001"
    assert mail["Date"].datetime == builders.AT


def test_with_plus_addressing_answers_are_asked_to_the_marked_address() -> None:
    letter = written(box=mailbox(replies={"plusAddressing": True}))
    mail = parsed(letter)
    assert mail.keys() == [*EXPECTED[:2], "Reply-To", *EXPECTED[2:]]
    assert mail["Reply-To"] == MARKS.plus_address("support@desk.example", "INC-000001")


@pytest.mark.parametrize("template", ["We received it", "{number}: thanks", "{subject} " * 20, "x" * 200])
def test_a_subject_without_the_tag_gets_it_so_that_an_answer_finds_its_ticket(template: str) -> None:
    made = ticket(subject="long " * 60)
    subject = parsed(written(made, mailbox(template)))["Subject"]
    answer = builders.email(subject=f"Re: {subject}")
    assert [one.number for one in MARKS.of(answer) if one.by is MarkedBy.SUBJECT] == ["INC-000001"]
    assert len(subject) <= LINE_MAX


def test_words_are_replaced_once_and_unknown_ones_stay() -> None:
    place = Classification(service="printing", department="it")
    made = ticket(subject="{number} {tag}").model_copy(update={"classification": place})
    text = "{number}|{module}|{mailbox}|{service}|{department}|{subject}"
    letter = written(made, mailbox(text=text))
    assert letter.text == "INC-000001|ticket|support@desk.example|Printing & Scanning|it|{number} {tag}"


def test_a_stored_template_with_a_word_that_nobody_knows_shows_it_as_it_is() -> None:
    box = mailbox()
    old = box.spec.acknowledgements.model_copy(update={"text": "{nmber} {0} {number.__class__} {number!r} {} {number}"})
    spec = box.spec.model_copy(update={"acknowledgements": old})
    letter = written(box=box.model_copy(update={"spec": spec}))
    assert letter.text == "{nmber} {0} {number.__class__} {number!r} {} INC-000001"


def test_the_subject_of_a_sender_nobody_vouches_for_is_never_repeated() -> None:
    letter = written(ticket(subject="You are an idiot"), mailbox("{subject} [{tag}]", "{subject}"), vouched=False)
    assert b"idiot" not in letter.content
    assert letter.text == ""


HOSTILE = [
    "a\r\nBcc: victim@example.net",
    "a\nBcc: victim@example.net\n\nbody",
    "=?utf-8?q?a=0D=0ABcc:_victim@example.net?=",
    "=?utf-8?b?YQ0KQmNjOiB2aWN0aW1AZXhhbXBsZS5uZXQ=?=",
    "\u202egnp.exe\u2066 \u200f\u061c",
    "a\u2028Bcc: victim@example.net\u2029\x85x",
    "\x00\x1b[31m\x7f\x9b",
    "\ud800 lone",
    "ü" * 500,
    "x" * 5000,
    "." * 130,
    "Zoë 🚒 " * 40,
]


@pytest.mark.parametrize("subject", HOSTILE)
@pytest.mark.parametrize("template", ["{subject}", "[{tag}] {subject} {subject}"])
def test_no_subject_writes_a_header_hides_direction_or_grows(subject: str, template: str) -> None:
    made = ticket().model_copy(update={"subject": subject})
    letter = written(made, mailbox(template, "{subject}"))
    mail = parsed(letter)
    assert mail.keys() == EXPECTED
    assert mail["Bcc"] is None
    assert len(letter.text) <= 120
    assert not set(letter.text) & set("\u202e\u2066\u200f\u061c\u2028\u2029\x85\x00\x1b\x7f\r\n")
    assert all(len(line) <= 998 and b"\n" not in line and b"\r" not in line for line in letter.content.split(b"\r\n"))
    assert str(mail["Subject"]).count(MARKS.tag("INC-000001")) == 1


@given(st.text(max_size=300), st.text(max_size=60), st.text(max_size=60))
def test_no_text_whatever_adds_a_header(subject: str, message_id: str, reference: str) -> None:
    article = builders.article("m", message_id=message_id)
    made = ticket(references=(reference,)).model_copy(update={"subject": subject, "articles": (article,)})
    letter = written(made, mailbox("{subject}", "{subject}"))
    names = [one for one in EXPECTED if one not in ("In-Reply-To", "References")]
    assert [one for one, _ in parsed(letter).items() if one not in ("In-Reply-To", "References")] == names


@pytest.mark.parametrize("bad", ["<a@b>\r\nBcc: x@y", "<a b@c>", "<>", "", "<a@b", "<ä@b>", "<" + "a" * 300 + "@b>"])
def test_message_ids_that_are_none_are_left_out(bad: str) -> None:
    article = builders.article("m", message_id=bad)
    made = ticket(references=(bad, "<good@example.org>")).model_copy(update={"articles": (article,)})
    mail = parsed(written(made))
    assert mail["In-Reply-To"] is None
    assert mail["References"] == "<good@example.org>"


def test_a_long_thread_is_cut_to_its_first_and_last() -> None:
    many = tuple(f"<{'x' * 200}{n}@example.org>" for n in range(100))
    made = ticket(references=many)
    references = str(parsed(written(made))["References"]).split()
    assert (references[0], references[-1], len(references)) == (many[0], "<1@example.org>", 12)


@pytest.mark.parametrize("to", ["a@b\r\nRCPT TO:<x@y>", "a b@c.example", "ä@b.example", "a@b.example,c@d.example"])
def test_an_address_that_is_not_plain_is_never_written_to(to: str) -> None:
    found = attempt(to=to)
    assert isinstance(found, Suppressed) and found.reason is Reason.NOT_COMPOSABLE
