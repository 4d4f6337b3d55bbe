"""Which mails a report is about: within limits, and only where a program says it."""

import pytest

from shared.mail.parse import parse

MARK = "abcdefghijklmnopqrstuvwxyz234567.abcdefghijklmnop"


def ours(count: int) -> str:
    return f"<ack.{MARK}@host{count}.example>"


def daemon(text: str, sender: str = "MAILER-DAEMON@mx.example.org", path: str = "<>") -> tuple[str, ...]:
    return parse(f"Return-Path: {path}\nFrom: {sender}\nSubject: failure\n\n{text}".encode()).reported_ids


def report(*parts: str) -> bytes:
    top = "Return-Path: <>\nFrom: postmaster@x.example\nContent-Type: multipart/report; boundary=b\n\n"
    return (top + "".join(f"--b\n{part}\n" for part in parts) + "--b--\n").encode()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f"Message-ID: {ours(1)}", (ours(1),)),
        (f"Message-Id: ack.{MARK}@host1.example.", (ours(1),)),
        (f"> message-id: {ours(1).upper()}", (ours(1).upper(),)),
        (f"{ours(1)} {ours(2)} {ours(1)}", (ours(1), ours(2))),
        ("Message-ID: <anything@else.example>", ()),
        ("<ack.short.short@x.example>", ()),
        (f"<back.{MARK}@x.example> xack.{MARK}@x.example", ()),
        ("", ()),
    ],
)
def test_a_report_that_is_only_text_is_searched_for_ids_like_ours(text: str, expected: tuple[str, ...]) -> None:
    assert daemon(text) == expected


def test_no_more_than_ten_ids_and_no_more_than_the_first_text_are_read() -> None:
    many = "\n".join(ours(one) for one in range(50))
    assert daemon(many) == tuple(ours(one) for one in range(10))
    assert daemon("x" * 64 * 1024 + ours(1)) == ()


def test_what_a_person_quotes_is_no_report() -> None:
    assert daemon(ours(1), sender="ann@people.example", path="<ann@people.example>") == ()
    assert daemon(ours(1), sender="ann@people.example") == (ours(1),), "the empty return path is a program's"


def test_only_the_header_of_the_copy_is_read() -> None:
    copy = f"Content-Type: message/rfc822\n\nSubject: x\nMessage-ID: <copy@x.example>\n\nMessage-ID: {ours(1)}\n"
    assert parse(report("\nNot delivered.\n", copy)).reported_ids == ("<copy@x.example>",)


def test_a_copy_without_an_id_leaves_the_text() -> None:
    copy = "Content-Type: message/rfc822\n\nSubject: x\n\nbody\n"
    assert parse(report(f"\nMessage-ID: {ours(1)}\n", copy)).reported_ids == (ours(1),)


def test_a_report_of_many_copies_names_ten() -> None:
    """Row 14."""
    copies = [f"Content-Type: text/rfc822-headers\n\nMessage-ID: {ours(one)}\n" for one in range(300)]
    assert parse(report(*copies)).reported_ids == tuple(ours(one) for one in range(10))


def test_a_copy_whose_header_never_ends_is_read_up_to_the_limit() -> None:
    """Row 21, inside a report."""
    copy = "Content-Type: message/rfc822\n\n" + "X: y\n" * 200_000 + f"Message-ID: {ours(1)}\n"
    assert parse(report("\nNot delivered.\n", copy)).reported_ids == ()
