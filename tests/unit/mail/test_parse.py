"""The parser on mail as it should be, and on mail as it comes."""

import base64
import email
from email import policy
from email.message import EmailMessage

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from shared.domain.email import Email, SenderStatus, Source
from shared.mail import attachments, mime
from shared.mail.parse import parse
from tests.support.cost import within
from tests.support.mails import Attached, mail


def unsafe_texts(value: object) -> list[str]:
    """Every text in a value that BSON or JSON could not carry."""
    if isinstance(value, str):
        broken = "\x00" in value or any(0xD800 <= ord(ch) <= 0xDFFF for ch in value)
        return [value] if broken else []
    if isinstance(value, dict):
        return [found for one in value.values() for found in unsafe_texts(one)]
    if isinstance(value, list | tuple):
        return [found for one in value for found in unsafe_texts(one)]
    return []


def assert_storable(found: Email) -> None:
    assert unsafe_texts(found.model_dump()) == []
    assert Email.model_validate_json(found.model_dump_json()) == found


LINES = st.sampled_from(
    [
        b"From: a@b.example",
        b"From: \xff\xfe <",
        b"To: x@y.example, (((",
        b"Subject: =?utf-16?b?2ADYAA==?= =?rot13?q?a?=",
        b"Subject: \xc3\xa9\x00",
        b"Content-Type: multipart/mixed; boundary=b",
        b'Content-Type: multipart/alternative; boundary="b"; boundary=c',
        b"Content-Type: text/html; charset=unicode_escape",
        b"Content-Type: text/plain; charset=utf-7",
        b"Content-Type: message/rfc822",
        b"Content-Type: a/b; name*0*=utf-8''%00%ff; name*7=x",
        b'Content-Disposition: attachment; filename="..\\\\..\\x"',
        b"Content-Transfer-Encoding: base64",
        b"Content-Transfer-Encoding: quoted-printable",
        b"Date: Mon, 99 Foo 0000 99:99:99 +9999",
        b"Message-ID: <\x00>",
        b"",
        b"--b",
        b"--b--",
        b"<p>x<svg><style>&#0;&#xD800;</p>",
        b"=ZZ=\xff",
        b"SGVsbG8=SGVsbG8=!",
        b" folded",
    ]
)
MAILISH = st.lists(st.one_of(LINES, st.binary(max_size=40)), max_size=40).flatmap(
    lambda lines: st.sampled_from([b"\r\n", b"\n", b"\r"]).map(lambda end: end.join(lines))
)


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.one_of(st.binary(max_size=2000), MAILISH))
@example(b"")
@example(b"\r\n\r\n")
@example(b"\xff\xfeS\x00u\x00b\x00")
def test_any_bytes_give_a_mail_that_can_be_stored_and_sent_on(raw: bytes) -> None:
    found = parse(raw)
    assert_storable(found)
    assert "unparsable" not in found.flags
    assert found.size == len(raw)


def test_a_plain_mail_is_read_as_it_was_written() -> None:
    found = parse(
        mail(
            sender="Ann Example <Ann@People.Example>",
            to="Help Desk <support@example.com>, other@example.org",
            cc="boss@example.org",
            subject="Zugang für Müller",
            text="Grüße\nAnn\n",
            message_id="<one@people.example>",
            headers={"References": "<a@x> <b@x>", "In-Reply-To": "<b@x>", "X-Priority": "1 (Highest)"},
        )
    )
    assert found.sender is not None
    assert (found.sender.address, found.sender.display) == ("ann@people.example", "Ann Example")
    assert [(one.address, one.source) for one in found.recipients] == [
        ("support@example.com", Source.TO),
        ("other@example.org", Source.TO),
        ("boss@example.org", Source.CC),
    ]
    assert (found.subject, found.text.strip()) == ("Zugang für Müller", "Grüße\nAnn")
    assert (found.message_id, found.in_reply_to, found.references) == (
        "<one@people.example>",
        ("<b@x>",),
        ("<a@x>", "<b@x>"),
    )
    assert found.importance == "high"
    assert found.date is not None and found.date.isoformat() == "2026-03-02T09:00:00+00:00"
    assert found.flags == ()


@pytest.mark.parametrize(
    "charset", ["utf-8", "iso-8859-15", "windows-1251", "koi8-r", "iso-2022-jp", "gb18030", "utf-16"]
)
def test_the_text_of_a_charset_is_right(charset: str) -> None:
    text = {"iso-8859-15": "Preis: 5 €, Größe", "windows-1251": "Не работает", "koi8-r": "Не работает"}.get(charset)
    text = text or ("プリンタ" if charset == "iso-2022-jp" else "打印机 works")
    raw = (
        b"From: a@b.example\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset="
        + charset.encode()
        + b"\r\nContent-Transfer-Encoding: base64\r\n\r\n"
        + base64.encodebytes(text.encode(charset))
    )
    found = parse(raw)
    assert found.text.strip() == text
    assert "charset_guessed" not in found.flags


@pytest.mark.parametrize(
    ("charset", "data", "text", "flag"),
    [
        (b"us-ascii", "Grüße aus Köln".encode(), "Grüße aus Köln", "charset_guessed"),
        (b"x-unknown", "Größenänderung für Käufer".encode("latin-1"), "Größenänderung für Käufer", "charset_guessed"),
        (b"../../etc/passwd", b"plain", "plain", None),
        (b"rot13", b"Uryyb", "Uryyb", None),
        (b"unicode_escape", b"\\x41", "\\x41", None),
        (
            b"utf-8",
            b"caf\xe9 and a long tail of words that are fine",
            "caf\ufffd and a long tail of words that are fine",
            "charset_broken",
        ),
        (b"iso-2022-jp", b"\x1b$B%W%j%s%?\x1b$B", "プリンタ", None),
    ],
)
def test_a_wrong_charset_name_still_gives_text(charset: bytes, data: bytes, text: str, flag: str | None) -> None:
    found = parse(b"From: a@b.example\nContent-Type: text/plain; charset=" + charset + b"\n\n" + data)
    assert found.text.strip() == text
    assert flag is None or flag in found.flags


def test_html_only_mail_gets_its_text_from_the_html() -> None:
    found = parse(mail(text=None, html="<h1>Hi</h1><p>one<br>two</p><ul><li>x<li>y</ul><script>bad()</script>"))
    assert found.text == "Hi\n\none\ntwo\n\n- x\n- y"
    assert found.html is not None
    assert "script" not in found.html


def test_of_two_alternatives_the_text_is_text_and_the_page_is_html() -> None:
    found = parse(mail(text="plain one", html="<p>rich <b>one</b></p>"))
    assert found.text.strip() == "plain one"
    assert found.html is not None
    assert found.html.strip() == "<p>rich <b>one</b></p>"
    assert found.attachments == ()


def test_attachments_are_references_that_lead_back_to_their_bytes() -> None:
    files = [
        Attached("Rechnung März.pdf", b"%PDF" + bytes(range(256)), "application/pdf"),
        Attached("logo.png", b"\x89PNG", "image/png", content_id="logo@x"),
    ]
    raw = mail(text="see attached", html='<p><img src="cid:logo@x"></p>', attachments=files)
    found = parse(raw)
    assert [one.filename for one in found.attachments] == ["Rechnung März.pdf", "logo.png"]
    assert [attachments.content(raw, one.part) for one in found.attachments] == [one.content for one in files]
    assert [one.size for one in found.attachments] == [260, 4]
    assert [(one.content_id, one.inline) for one in found.attachments] == [(None, False), ("logo@x", True)]
    assert attachments.content(raw, "9.9") is None


def test_an_attached_mail_stays_closed() -> None:
    inner = EmailMessage()
    inner["Subject"] = "The inner one"
    inner.set_content("inner secret")
    outer = EmailMessage()
    outer["From"] = "a@b.example"
    outer.set_content("outer")
    outer.add_attachment(inner)
    found = parse(outer.as_bytes(policy=policy.SMTP))
    assert found.text.strip() == "outer"
    assert [(one.part, one.content_type, one.filename) for one in found.attachments] == [
        ("2", "message/rfc822", "The inner one.eml")
    ]


def numbered(message: EmailMessage, prefix: str = "") -> dict[str, bytes]:
    """Leaves by IMAP part number, by the standard library."""
    if not message.is_multipart():
        return {prefix or "1": message.get_payload(decode=True) or b""}
    found: dict[str, bytes] = {}
    for number, part in enumerate(message.iter_parts(), 1):
        found |= numbered(part, f"{prefix}.{number}" if prefix else str(number))
    return found


FILES = st.lists(st.binary(max_size=200).map(lambda data: Attached("f.bin", data)), max_size=3)
TEXTS = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs")), max_size=200)


@settings(max_examples=60, deadline=None)
@given(TEXTS, st.none() | st.just("<p>page</p>"), FILES, st.sampled_from([None, "c@d"]))
def test_on_well_formed_mail_the_structure_is_that_of_the_standard_library(
    text: str, page: str | None, files: list[Attached], cid: str | None
) -> None:
    inline = [Attached("i.png", b"\x89PNG", "image/png", content_id=cid)]
    raw = mail(text=text + "\n", html=page, attachments=files + inline)
    theirs = numbered(email.message_from_bytes(raw, policy=policy.default))  # type: ignore[arg-type]
    ours = {part.number: attachments.content(raw, part.number) for part in mime.structure(raw)[0].leaves()}
    assert ours == theirs


def nested(levels: int) -> bytes:
    heads = b"".join(b"Content-Type: multipart/mixed; boundary=b%d\n\n--b%d\n" % (one, one) for one in range(levels))
    return b"From: a@b.example\nSubject: deep\n" + heads + b"\nbottom"


@pytest.mark.parametrize(("levels", "flagged"), [(20, False), (21, True), (200, True), (1000, True), (10_000, True)])
def test_nesting_beyond_twenty_is_flagged_and_not_followed(levels: int, flagged: bool) -> None:
    found = parse(nested(levels))
    assert ("too_deep" in found.flags) is flagged
    assert (found.subject, found.sender is not None) == ("deep", True)


@pytest.mark.parametrize(
    ("raw", "flag"),
    [
        (b"Subject: s\nContent-Type: multipart/mixed; boundary=x\n\n" + b"--x\n\n\n" * 100_000, "too_many_parts"),
        (b"Subject: s\n" + b"X: y\n" * 100_000 + b"\nbody", "headers_too_large"),
        (b"Subject: s\n" + b"X: y\n" * 1_500 + b"\nbody", "too_many_headers"),
        (b"Subject: s\nX: " + b"y" * 16_000_000 + b"\n\nbody", "headers_too_large"),
        (b"Subject: s\nX: " + b"y" * 20_000 + b"\n\nbody", "header_too_long"),
        (b"Subject: s\n" + b"X-Long-Header: value\n" * 50_000, "headers_too_large"),
        (
            b"Subject: s\nTo: " + b", ".join(b"u%d@x.example" % one for one in range(600)) + b"\n\nbody",
            "too_many_addresses",
        ),
        (
            b"Subject: s\nContent-Type: a/b; " + b"; ".join(b"name*%d=x" % one for one in range(180)) + b"\n\nbody",
            "too_many_continuations",
        ),
        (b"Subject: s\nContent-Type: text/html\n\n" + b"<div>" * 100_000, "html_too_complex"),
        (b"Subject: s\nContent-Type: text/html\n\n" + b"<p>x</p>" * 200_000, "html_too_large"),
        (b"Subject: s\n\n" + b"word " * 200_000, "text_truncated"),
        (b"Subject: " + b"=?utf-8?q?a?= " * 20_000 + b"\n\nbody", "headers_too_large"),
    ],
)
def test_a_limit_is_named_and_the_rest_of_the_mail_is_still_there_at_little_cost(raw: bytes, flag: str) -> None:
    found = within(600, lambda: parse(raw))
    assert flag in found.flags
    assert found.subject
    assert_storable(found)


@pytest.mark.parametrize(
    "raw",
    [
        b"Subject: s\r\n\r\nhello\r\nthere",
        b"Subject: s\n\nhello\nthere",
        b"Subject: s\r\rhello\rthere",
        b"Subject: s\r\r\n\r\r\nhello\r\r\nthere",
        b"\r\n\r\nSubject: s\n\nhello\nthere",
        b"From ann@b.example Mon Mar  2 10:00:00 2026\nSubject: s\n\nhello\nthere",
        b"Subject : s\n\nhello\nthere",
        b"\xef\xbb\xbfSubject: s\n\nhello\nthere",
        b" continued\nSubject: s\n\nhello\nthere",
        b"Subject: s\nno colon here\nX: y\n\nhello\nthere",
        b"Subject: s\n\nhel\x00lo\nthere",
        b"Subject: s\nContent-Type: multipart/mixed\n\nhello\nthere",
        b"Subject: s\nContent-Type: multipart/mixed; boundary=x\n\n--x\n\nhello\nthere",
        b"Subject: s\nContent-Type: multipart/mixed\n\n--x\n\nhello\nthere\n--x--",
        b"Subject: s\nContent-Type: multipart/mixed; boundary=ab\n\n--abc\n--ab\n\nhello\nthere\n--ab--\n--abcd",
        b"Subject: s\nContent-Type: nonsense\n\nhello\nthere",
        b"Subject: s\nContent-Transfer-Encoding: 7-bit (really)\n\nhello\nthere",
        b"Subject: s\nContent-Transfer-Encoding: base64\n\naGVsbG8K=!!\ndGhlcmU",
        b"Subject: s\nContent-Transfer-Encoding: quoted-printable\n\nhel=\nlo\nth=65re=",
    ],
)
def test_odd_line_ends_headers_and_boundaries_give_the_same_text(raw: bytes) -> None:
    found = parse(raw)
    assert found.subject == "s"
    assert found.text.split() == ["hello", "there"]


def test_text_without_any_header_is_a_body() -> None:
    found = parse(b"just words\nand more")
    assert found.text == "just words\nand more"
    assert "no_headers" in found.flags


@pytest.mark.parametrize("raw", [b"", b"\r\n", b"Subject: only\r\n\r\n", b"From: a@b.example"])
def test_an_empty_mail_is_flagged_so(raw: bytes) -> None:
    assert "empty" in parse(raw).flags


def test_two_content_types_keep_the_html_out_of_sight_but_not_lost() -> None:
    found = parse(b"Subject: s\nContent-Type: text/plain\nContent-Type: text/html\n\n<b>x</b>")
    assert found.html is None
    assert "ambiguous" in found.flags
    boundaries = b"Content-Type: multipart/mixed; boundary=a; boundary=b\n\n"
    found = parse(boundaries + b"--a\nContent-Type: text/html\n\n<b>x</b>\n--a--\n")
    assert found.html is None
    assert [one.content_type for one in found.attachments] == ["text/html"]


def test_a_subject_cannot_become_two_lines() -> None:
    found = parse(b"Subject: =?utf-8?q?Hi=0D=0ABcc:_x@y.example=00?=\n\nbody")
    assert found.subject == "Hi Bcc: x@y.example"
    assert parse(b"Subject: a\xe2\x80\xaeb\xe2\x80\x8bc\n\nx").subject == "abc"
    assert len(parse(b"Subject: " + b"e\xcc\x81" + b"\xcc\x81" * 5000 + b"\n\nx").subject) < 12
    assert parse(b"Subject:   \n\nx").subject == ""
    long = parse(b"Subject: " + b"a" * 1_000_000 + b"\n\nx")
    assert len(long.subject) <= 1000


@pytest.mark.parametrize(
    ("given_name", "safe"),
    [
        (b'filename="../../x"', "x"),
        (b'filename="C:\\\\temp\\\\x.pdf"', "x.pdf"),
        (b'filename="CON"', "_CON"),
        (b'filename="nul.txt"', "_nul.txt"),
        (b'filename=" . "', "attachment-1.bin"),
        (b"filename*=utf-8''x.pdf%E2%80%AEexe.", "x.pdfexe"),
        (b"filename*0*=utf-8''R%C3%A4; filename*1=tsel.txt; filename=other", "Rätsel.txt"),
        (b'filename="=?utf-8?q?R=C3=A4tsel.txt?="', "Rätsel.txt"),
        (b'filename="a<b>|c?.txt"', "a_b__c_.txt"),
        (b'filename="' + b"x" * 300 + b'.pdf"', "x" * 146 + ".pdf"),
    ],
)
def test_a_filename_is_made_safe(given_name: bytes, safe: str) -> None:
    head = b"Subject: s\nContent-Type: application/octet-stream\nContent-Disposition: attachment; "
    found = parse(head + given_name + b"\n\ndata")
    assert [one.filename for one in found.attachments] == [safe]


def test_odd_kinds_of_mail_are_flagged_and_kept() -> None:
    report = (
        b"Return-Path: <>\nContent-Type: multipart/report; boundary=r\n\n--r\n\nfailed\n"
        b"--r\nContent-Type: message/delivery-status\n\nx\n--r--"
    )
    found = parse(report)
    assert {"report", "null_sender"} <= set(found.flags)
    assert [one.content_type for one in found.attachments] == ["message/delivery-status"]
    tnef = parse(b"Content-Type: application/ms-tnef; name=winmail.dat\n\nx")
    assert "tnef" in tnef.flags
    partial = parse(b"Content-Type: message/partial; id=x\n\nx")
    assert "partial" in partial.flags
    invitation = parse(b"Content-Type: text/calendar; method=REQUEST\n\nBEGIN:VCALENDAR\nEND:VCALENDAR\n")
    assert "calendar" in invitation.flags
    assert [one.filename for one in invitation.attachments] == ["attachment-1.ics"]
    assert "mailing_list" in parse(b"List-Unsubscribe: <x>\n\nx").flags


def test_automatic_mail_says_so_in_one_word() -> None:
    found = parse(
        mail(headers={"Auto-Submitted": "Auto-Replied; owner=x", "Precedence": "BULK", "List-Id": "News <n.x>"})
    )
    assert (found.auto_submitted, found.precedence, found.list_id) == ("auto-replied", "bulk", "News <n.x>")


def test_the_content_hash_is_of_text_and_files_not_of_headers() -> None:
    one, two = parse(mail(subject="a", message_id="<1@x>")), parse(mail(subject="b", message_id="<2@x>"))
    other = parse(mail(text="something else"))
    filed = parse(mail(attachments=[Attached("a", b"1")]))
    assert one.content_sha256 == two.content_sha256
    assert len({one.content_sha256, other.content_sha256, filed.content_sha256}) == 3
    long = b"Subject: s\n\n" + b"word " * 100_000
    assert parse(long + b"a").content_sha256 != parse(long + b"b").content_sha256


@pytest.mark.parametrize("missing", ["Message-ID", "From", "Date"])
def test_a_missing_field_is_none(missing: str) -> None:
    raw = mail(**{{"Message-ID": "message_id", "From": "sender", "Date": "date"}[missing]: None})  # type: ignore[arg-type]
    found = parse(raw)
    expected = {"Message-ID": found.message_id, "From": found.sender, "Date": found.date}
    assert expected[missing] is None
    assert (found.sender_status is SenderStatus.MISSING) is (missing == "From")


def test_an_impossible_date_is_flagged() -> None:
    found = parse(b"Date: Mon, 99 Foo 0000 99:99:99 +9999\n\nx")
    assert (found.date, "bad_date" in found.flags) == (None, True)
