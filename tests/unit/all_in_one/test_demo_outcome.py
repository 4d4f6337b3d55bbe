"""The demo's judgement: a mail that ended otherwise than it must is never called right."""

from datetime import UTC, datetime, timedelta

import pytest

from services.all_in_one.demo.delivery import Delivered
from services.all_in_one.demo.mails import LETTERS
from services.all_in_one.demo.mails.letter import Expected, Letter, duplicate, message_id, rejected, render, ticket
from services.all_in_one.demo.outcome import complaint, ends
from shared.domain.decision import Classification, Decision, Kind, Reason, Revisions
from shared.domain.ledger import LedgerEntry, MailOrigin, State
from shared.domain.mailbox import Module
from shared.mail.headline import headline

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
TOKEN = "abc123"


def _letter(name: str, expected: Expected, **more: str) -> Letter:
    return Letter(name, name, f"About {name}", expected, message_id_of=more.get("message_id_of", ""))


def _delivered(letter: Letter) -> Delivered:
    return Delivered(letter, letter.expected, headline(render(letter, TOKEN, NOW)), NOW)


def _entry(
    mail: Delivered, kind: Kind, reason: Reason, number: str | None = None, service: str | None = None, uid: int = 1
) -> LedgerEntry:
    origin = MailOrigin(
        mailbox=mail.letter.mailbox,
        folder="INBOX",
        uid_validity=1,
        uid=uid,
        internal_date=NOW,
        size=1,
        content_id="c",
        raw_sha256="r",
    )
    decision = Decision(
        kind=kind,
        reason=reason,
        sentence="Because.",
        module=Module.TICKET,
        number=number,
        classification=Classification(service=service),
        revisions=Revisions(mailbox=1),
        decided_at=NOW + timedelta(seconds=1),
    )
    return LedgerEntry(
        mail_id=f"{mail.letter.name}-{uid}",
        origin=origin,
        headline=mail.headline,
        state=State.DONE,
        decision=decision,
        stored_at=NOW,
        progress_at=NOW,
    )


def _judge(entries: list[LedgerEntry], *mails: Delivered) -> list[str]:
    events = {entry.mail_id: NOW + timedelta(seconds=2) for entry in entries}
    found = ends(mails, entries, events)
    return [complaint(one, found) for one in found]


def test_a_mail_with_the_right_end_is_right_and_its_seconds_count_to_its_event() -> None:
    mail = _delivered(_letter("a", ticket("vpn")))
    entry = _entry(mail, Kind.TICKET, Reason.TICKET_CREATED, "INC-000001", "vpn")
    [one] = ends([mail], [entry], {entry.mail_id: NOW + timedelta(seconds=2)})
    assert (complaint(one, [one]), one.outcome, one.seconds) == ("", "ticket", 2.0)


@pytest.mark.parametrize(
    ("expected", "kind", "reason", "service"),
    [
        (ticket("vpn"), Kind.TICKET, Reason.TICKET_CREATED, "email"),
        (ticket(), Kind.REJECTED, Reason.BLOCKED_SENDER, None),
        (rejected(Reason.NOT_IN_TO), Kind.REJECTED, Reason.SUBJECT_NO_MATCH, None),
        (rejected(Reason.NOT_IN_TO), Kind.TICKET, Reason.TICKET_CREATED, None),
    ],
)
def test_another_kind_reason_or_service_is_wrong(
    expected: Expected, kind: Kind, reason: Reason, service: str | None
) -> None:
    mail = _delivered(_letter("a", expected))
    assert _judge([_entry(mail, kind, reason, service=service)], mail) != [""]


def test_a_mail_without_entry_or_without_event_is_not_final_and_wrong() -> None:
    mail = _delivered(_letter("a", ticket()))
    assert _judge([], mail) == ["expected ticket_created"]
    [silent] = ends([mail], [_entry(mail, Kind.TICKET, Reason.TICKET_CREATED)], {})
    assert not silent.final and complaint(silent, [silent])


def test_a_duplicate_must_be_counted_on_the_ticket_of_its_original() -> None:
    original, repeat = _delivered(_letter("a", ticket())), _delivered(_letter("b", duplicate("a")))
    opened = _entry(original, Kind.TICKET, Reason.TICKET_CREATED, "INC-000001")
    right = _entry(repeat, Kind.DUPLICATE, Reason.DUPLICATE_OF, "INC-000001")
    wrong = _entry(repeat, Kind.DUPLICATE, Reason.DUPLICATE_OF, "INC-000009")
    assert _judge([opened, right], original, repeat) == ["", ""]
    assert _judge([opened, wrong], original, repeat) == ["", "expected the ticket of “a”"]


def test_two_copies_take_one_entry_each_whichever_way_round_and_one_entry_does_not_serve_both() -> None:
    letter = _letter("a", ticket())
    first = _delivered(letter)
    copy = Delivered(letter, duplicate("a"), first.headline, NOW)
    counted = _entry(first, Kind.DUPLICATE, Reason.DUPLICATE_OF, "INC-000001", uid=1)
    opened = _entry(first, Kind.TICKET, Reason.TICKET_CREATED, "INC-000001", uid=2)
    assert _judge([counted, opened], first, copy) == ["", ""]
    assert _judge([opened], first, copy) == ["", "expected duplicate_of"]


def test_names_are_unique_and_mails_of_two_runs_share_no_message_id() -> None:
    names = [letter.name for letter in LETTERS]
    assert len(names) == len(set(names))
    ids = [message_id(letter, "one") for letter in LETTERS if letter.has_message_id]
    assert not set(ids) & {message_id(letter, "two") for letter in LETTERS}


def test_every_mail_is_bytes_that_carry_its_token() -> None:
    for letter in LETTERS:
        assert f"X-Demo-Mail: {TOKEN}/{letter.name}\r\n".encode() in render(letter, TOKEN, NOW), letter.name


def test_identical_letters_differ_only_by_what_they_are_meant_to() -> None:
    """The repeat of a mail has its body to the byte, another Message-ID; the resent one shares both."""
    by_name = {letter.name: render(letter, TOKEN, NOW) for letter in LETTERS}
    body = {name: raw.partition(b"\r\n\r\n")[2] for name, raw in by_name.items()}
    assert body["approved"] == body["repeat"] == body["repeat-reply"] != body["other-text"]
    assert headline(by_name["approved"]).message_id != headline(by_name["repeat"]).message_id
    assert headline(by_name["original"]).message_id == headline(by_name["resent"]).message_id
    assert body["original"] == body["resent"] != body["reused-id"]
