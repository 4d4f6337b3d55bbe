"""Programs' mail and people's: each mail in tests/mails lies in the folder of what it is."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.domain.email import Automatic
from shared.mail.parse import parse
from tests.support.mails import mail

MAILS = Path(__file__).parents[2] / "mails"
ALL = sorted(MAILS.rglob("*.eml"))
NAMES = [f"{path.parent.name}-{path.stem}" for path in ALL]

OURS = "<ack.abcdefghijklmnopqrstuvwxyz234567.abcdefghijklmnop@example.com>"
"""Looks like a mark of ours."""
ABOUT_OTHERS = {"of_somebody_elses_mail": ("<newsletter@example.com>",), "text_without_a_message_id": ()}


def automatic(**headers: str) -> Automatic | None:
    fields = {name.replace("_", "-"): value for name, value in headers.items()}
    sender = fields.pop("From", "Ann Example <ann@people.example>")
    return parse(mail(sender=sender, headers=fields)).automatic


def test_there_are_mails_of_every_kind() -> None:
    assert {path.parent.name for path in ALL} == {*Automatic, "person"}
    assert len(ALL) >= 60


@pytest.mark.parametrize("path", ALL, ids=NAMES)
@pytest.mark.parametrize("end", [b"\n", b"\r\n"], ids=["lf", "crlf"])
def test_a_mail_is_told_for_what_it_is(path: Path, end: bytes) -> None:
    """Rows 14 and 56 to 60 of the hostile inputs."""
    found = parse(path.read_bytes().replace(b"\n", end))
    assert (found.automatic or "person") == path.parent.name
    assert "unparsable" not in found.flags


@pytest.mark.parametrize("path", ALL, ids=NAMES)
def test_only_a_report_names_mails_that_it_is_about(path: Path) -> None:
    """Row 59: what is about a mail of ours names it, wherever its program wrote the Message-ID."""
    expected = ABOUT_OTHERS.get(path.stem, (OURS,)) if path.parent.name == "bounce" else ()
    assert parse(path.read_bytes()).reported_ids == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("auto-replied", Automatic.OUT_OF_OFFICE),
        ("AUTO-Replied (vacation)", Automatic.OUT_OF_OFFICE),
        ("auto-generated", Automatic.NOTICE),
        ("auto-notified; owner-token=x", Automatic.NOTICE),
        ("whatever", Automatic.NOTICE),
        ("no", None),
        ("No", None),
        ("no; comment=x", None),
        ("", None),
    ],
)
def test_every_word_of_auto_submitted_but_no_is_a_program_s(value: str, expected: Automatic | None) -> None:
    """Row 56."""
    assert automatic(Auto_Submitted=value) is expected


@pytest.mark.parametrize(
    "subject",
    [
        "Automatic reply: Printer",
        "Automatische Antwort: Drucker",
        "Réponse automatique : Imprimante",
        "Respuesta automática: Impresora",
        "Risposta automatica: Stampante",
        "Automatisch antwoord: Printer",
        "Autosvar: Skrivare",
        "Automatiskt svar: Skrivare",
        "Resposta automática: Impressora",
        "Odpowiedź automatyczna: Drukarka",
        "Автоматический ответ: Принтер",
        "自动答复：打印机",
        "自動応答: プリンタ",
        "Out of Office: Printer",
    ],
)
def test_outlook_s_subjects_count_only_with_another_sign(subject: str) -> None:
    """Row 57: a heuristic never decides alone, and a person's answer to such a mail is a person's."""
    sign = {"X-Auto-Response-Suppress": "All"}
    assert parse(mail(subject=subject, headers=sign)).automatic is Automatic.OUT_OF_OFFICE
    assert parse(mail(subject=subject, headers={"X-Auto-Response-Suppress": "None"})).automatic is None
    assert parse(mail(subject=subject)).automatic is None
    assert parse(mail(subject=f"Re: {subject}", headers=sign)).automatic is None


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"List_Unsubscribe": "<https://x.example>"}, None),
        ({"Feedback_ID": "1:x"}, None),
        ({"List_Unsubscribe": "<https://x.example>", "Feedback_ID": "1:x"}, Automatic.LIST),
        ({"List_Unsubscribe": "<https://x.example>", "Feedback_ID": "1:x", "In_Reply_To": "<a@b>"}, None),
        ({"Precedence": "bulk"}, Automatic.LIST),
        ({"Precedence": "bulk", "In_Reply_To": "<a@b>"}, None),
        ({"Precedence": "bulk", "Auto_Submitted": "auto-generated"}, Automatic.NOTICE),
        ({"Precedence": "list", "In_Reply_To": "<a@b>"}, Automatic.LIST),
        ({"Precedence": "first-class"}, None),
        ({"List_Id": "<x.y>", "Auto_Submitted": "auto-replied"}, Automatic.OUT_OF_OFFICE),
        ({"X_Autoreply": "no"}, None),
        ({"X_Autoreply": "yes"}, Automatic.OUT_OF_OFFICE),
        ({"Return_Path": "<>"}, Automatic.NOTICE),
        ({"Return_Path": "< MAILER-DAEMON >"}, Automatic.NOTICE),
        ({"Return_Path": "<ann@people.example>"}, None),
        ({"X_Failed_Recipients": "a@b.example"}, None),
        ({"X_Failed_Recipients": "a@b.example", "Return_Path": "<>"}, Automatic.BOUNCE),
        ({"From": "Mail Delivery System <MAILER-DAEMON>"}, Automatic.BOUNCE),
        ({"From": "postmaster@people.example"}, None),
        ({"From": "postmaster@people.example", "Auto_Submitted": "auto-generated"}, Automatic.BOUNCE),
        ({"From": "no-reply@people.example"}, None),
        ({"From": "product-owner@people.example", "Return_Path": "<product-owner@people.example>"}, None),
        ({"Return_Path": "<owner-list@people.example>"}, Automatic.LIST),
        ({"Return_Path": "<SRS0=a=b=c.example=x-bounces@people.example>"}, None),
    ],
)
def test_what_people_s_mail_also_carries_never_decides_alone(headers: dict, expected: Automatic | None) -> None:
    assert automatic(**headers) is expected


def test_what_a_mail_asks_of_automatic_answers_is_kept() -> None:
    assert parse(b"X-Auto-Response-Suppress: DR,\r\n OOF\r\n\r\nx").suppress == "DR, OOF"
    assert parse(mail()).suppress is None


FIELDS = st.sampled_from(
    [
        "Auto-Submitted",
        "Precedence",
        "List-Id",
        "List-Unsubscribe",
        "Return-Path",
        "From",
        "Subject",
        "Content-Type",
        "In-Reply-To",
        "X-Autoreply",
        "X-Auto-Response-Suppress",
        "Authentication-Results",
    ]
)
VALUES = st.one_of(
    st.text(max_size=60),
    st.sampled_from(
        ["<>", "no", "bulk", "MAILER-DAEMON", "Automatic reply: x", "multipart/report; boundary=b", "message/rfc822"]
    ),
)


@settings(max_examples=300, deadline=None)
@given(st.lists(st.tuples(FIELDS, VALUES), max_size=12), st.text(max_size=200))
def test_any_header_fields_give_a_mail_of_one_kind_or_a_person_s(fields: list[tuple[str, str]], body: str) -> None:
    raw = "".join(f"{name}: {value}\n" for name, value in fields) + f"\n--b\n\n{body}"
    found = parse(raw.encode("utf-8", "replace"))
    assert "unparsable" not in found.flags
    assert found.automatic in (None, *Automatic)
    assert len(found.reported_ids) <= 10 and len(found.authentication_results) <= 5
