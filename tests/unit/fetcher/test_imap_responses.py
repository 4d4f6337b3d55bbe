"""Reading IMAP responses: framing, parsing, folder names, refusals."""

from datetime import UTC, datetime
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.fetcher.errors import AuthenticationRejected, ServerTrouble, Throttled
from services.fetcher.imap import parse
from services.fetcher.imap.classify import login_refused, refused
from services.fetcher.imap.framing import Framer, Response, TooLarge

STREAM = (
    b"* OK ready\r\n* 1 FETCH (UID 7 BODY[] {5}\r\nhe\r\no FLAGS ())\r\n"
    b"* 2 FETCH (UID 8 BODY[] {0}\r\n)\r\nA1 OK done\r\n"
)
RESPONSES: list[Response] = [
    [b"* OK ready"],
    [b"* 1 FETCH (UID 7 BODY[] {5}", b"he\r\no", b" FLAGS ())"],
    [b"* 2 FETCH (UID 8 BODY[] {0}", b"", b")"],
    [b"A1 OK done"],
]


@given(st.lists(st.integers(0, len(STREAM)), max_size=12))
def test_responses_are_the_same_however_the_bytes_are_cut(cuts: list[int]) -> None:
    framer = Framer(1000)
    places = [0, *sorted(cuts), len(STREAM)]
    found = [one for at, end in pairwise(places) for one in framer.feed(STREAM[at:end])]
    assert found == RESPONSES
    assert framer.empty


def test_a_hundred_thousand_lines_in_one_piece_are_read() -> None:
    assert len(list(Framer(10).feed(b"* 1 FETCH (FLAGS ())\r\n" * 100_000))) == 100_000


def test_a_literal_over_the_cap_is_refused_before_it_is_read() -> None:
    with pytest.raises(TooLarge):
        list(Framer(10).feed(b"* 1 FETCH (BODY[] {11}\r\n"))


def test_fetch_responses_are_told_apart_by_uid_wherever_it_stands() -> None:
    untagged: list[Response] = [
        [b"* 1 FETCH (FLAGS (\\Seen))"],
        [b"* 2 FETCH (BODY[] {3}", b"abc", b' UID 12 INTERNALDATE "17-Jul-1996 02:44:25 -0700")'],
        [b'* 3 FETCH (UID 13 RFC822.SIZE 44 INTERNALDATE " 1-Jan-2026 00:00:00 +0000" BODY[] NIL)'],
        [b'* 4 FETCH (UID 14 BODY[] "a \\"b\\" c")'],
        [b"* 2 FETCH (UID 12 FLAGS ())"],
        [b"* 5 EXISTS"],
    ]
    found = parse.fetches(untagged)
    assert sorted(found) == [12, 13, 14]
    assert (found[12].body, found[12].internal_date) == (b"abc", datetime(1996, 7, 17, 9, 44, 25, tzinfo=UTC))
    assert (found[13].body, found[13].size) == (b"", 44)
    assert found[14].body == b'a "b" c'


def test_a_mail_that_looks_like_imap_is_only_a_literal() -> None:
    body = b'* 9 FETCH (UID 99 BODY[] "x")\r\nA1 OK\r\n'
    found = parse.fetches([[b"* 1 FETCH (UID 1 BODY[] {%d}" % len(body), body, b")"]])
    assert {uid: item.body for uid, item in found.items()} == {1: body}


@pytest.mark.parametrize("date", [b'"31-Feb-2026 00:00:00 +0000"', b'"01-Foo-2026 00:00:00 +0000"', b"NIL", b'""'])
def test_a_date_that_is_none_is_none(date: bytes) -> None:
    assert parse.internal_date(b"(UID 1 INTERNALDATE " + date + b")") is None


def test_search_answers_are_joined_sorted_and_may_be_empty() -> None:
    assert parse.search([[b"* SEARCH 3 1"], [b"* SEARCH"], [b"* search 2"], [b"* 7 EXISTS"]]) == [1, 2, 3]


def test_folder_names_come_quoted_as_atoms_or_as_literals() -> None:
    untagged: list[Response] = [
        [b'* LIST (\\HasNoChildren) "/" INBOX'],
        [b'* LIST () "/" "Entw&APw-rfe"'],
        [b'* LIST () "/" {4}', b'a"b ', b""],
        [b'* LIST (\\Noselect) "/" "Gone"'],
    ]
    assert parse.folders(untagged) == ["Entwürfe", "INBOX", 'a"b ']


@given(st.sets(st.integers(1, 300)))
def test_a_sequence_set_names_exactly_its_uids(uids: set[int]) -> None:
    named: set[int] = set()
    for part in parse.uid_set(sorted(uids)).split(",") if uids else []:
        low, _, high = part.partition(":")
        named.update(range(int(low), int(high or low) + 1))
    assert named == uids


LOGIN = [
    (b"[AUTHENTICATIONFAILED] Authentication failed.", AuthenticationRejected),
    (b"LOGIN failed.", AuthenticationRejected),
    (b"User is authenticated but not connected.", AuthenticationRejected),
    (b"[UNAVAILABLE] Temporary authentication failure.", ServerTrouble),
    (b"[LIMIT] too much", Throttled),
    (b"Too many simultaneous connections", Throttled),
    (b"[AUTHENTICATIONFAILED] try again later", AuthenticationRejected),
]


@pytest.mark.parametrize(("words", "kind"), LOGIN)
def test_a_refused_login_is_named_for_what_to_do_about_it(words: bytes, kind: type[Exception]) -> None:
    assert type(login_refused(words, "host:993")) is kind


def test_exchange_says_how_long_to_wait_in_milliseconds() -> None:
    error = refused("SELECT", b"Request is throttled. Suggested Backoff Time: 65000 milliseconds", "host")
    assert isinstance(error, Throttled)
    assert error.seconds == 65


def test_a_server_that_says_strange_things_is_quoted_short_and_printable() -> None:
    error = refused("SELECT", b"\x1b[2J" + b"x" * 1000, "host")
    assert "\x1b" not in error.line()
    assert len(error.line()) < 400


def test_a_number_that_is_too_long_for_a_literal_has_none_behind_it() -> None:
    """Found by fuzzing."""
    (item,) = parse.fetches([[b"* 1 FETCH (UID 3 BODY[] {99999999999999}"]]).values()
    assert (item.uid, item.body) == (3, None)
