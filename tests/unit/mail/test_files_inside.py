"""Files within text and within winmail.dat: taken out whole, whatever is broken around them."""

import binascii

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.mail import attachments, tnef, uuencoded
from shared.mail.parse import parse
from tests.hostile.mails import tnef as written
from tests.hostile.mails import typed
from tests.support.cost import within


def uu(name: str, data: bytes) -> bytes:
    lines = b"".join(binascii.b2a_uu(data[at : at + 45]) for at in range(0, len(data), 45))
    return b"begin 644 " + name.encode() + b"\n" + lines + b"`\nend\n"


@settings(deadline=None)
@given(st.lists(st.binary(max_size=300), max_size=4))
def test_what_was_uuencoded_comes_back_and_the_text_around_it_stays(files: list[bytes]) -> None:
    blocks = [uu(f"f{number}.bin", data) for number, data in enumerate(files)]
    text, found = uuencoded.split(b"before\n" + b"between\n".join(blocks) + b"after\n")
    assert [(one.name, one.data, one.broken) for one in found] == [
        (f"f{number}.bin", data, False) for number, data in enumerate(files)
    ]
    assert text.replace(b"\n", b"") == b"before" + b"between" * max(0, len(files) - 1) + b"after"


@settings(deadline=None)
@given(st.binary(max_size=300))
def test_any_text_is_split_into_text_and_files_without_a_word(data: bytes) -> None:
    text, found = uuencoded.split(b"begin 644 x\n" + data + b"\nend\n")
    assert len(text) + sum(len(one.data) for one in found) <= len(data) * 2 + 40


def test_words_that_begin_a_line_with_begin_are_text() -> None:
    assert uuencoded.split(b"Let us\nbegin with the printer\nend\n") == (b"Let us\nbegin with the printer\nend\n", ())


@pytest.mark.parametrize(
    "bait", [b"begin 644 x\n", b"=ybegin name=x\n", b"(This file must be converted with BinHex 4.0)\n"]
)
def test_beginnings_without_an_end_take_linear_time(bait: bytes) -> None:
    within(600, lambda: uuencoded.split(bait * 100_000))


def test_the_files_of_a_winmail_dat_have_their_long_names_and_lead_back_to_their_bytes() -> None:
    envelope = written(("SHORT~1.TXT", b"one"), long_name="Grüße an alle.txt")
    raw = typed(b"application/ms-tnef; name=winmail.dat", envelope)
    outer, inner = parse(raw).attachments
    assert (outer.filename, inner.filename, inner.part) == ("winmail.dat", "Grüße an alle.txt", f"{outer.part}.1")
    assert attachments.content(raw, inner.part) == b"one"
    assert attachments.content(raw, f"{outer.part}.2") is None
    assert attachments.content(raw, f"{outer.part}.0") is None
    assert attachments.content(raw, f"{outer.part}.x") is None


def test_taking_files_out_does_not_change_what_a_mail_is_known_by() -> None:
    """Its content is the hash of what travelled: a mail with winmail.dat is the same before and after."""
    raw = typed(b"application/ms-tnef; name=winmail.dat", written(("a.txt", b"one")))
    bare = typed(b"application/octet-stream; name=other.dat", written(("a.txt", b"one")))
    assert parse(raw).content_sha256 == parse(bare).content_sha256


@settings(deadline=None)
@given(st.data())
def test_a_broken_winmail_dat_gives_what_comes_before_the_break(data: st.DataObject) -> None:
    whole = bytearray(written(("a.txt", b"one"), ("b.txt", b"two"), long_name="long.txt"))
    for _ in range(data.draw(st.integers(0, 4))):
        whole[data.draw(st.integers(4, len(whole) - 1))] = data.draw(st.integers(0, 255))
    found = tnef.files(bytes(whole[: data.draw(st.integers(0, len(whole)))]))
    assert sum(len(one.data) for one in found) <= len(whole)


def test_ten_thousand_attributes_and_properties_take_no_time() -> None:
    envelope = written(*(("x", b"y") for _ in range(10_000)), long_name="z")
    within(600, lambda: tnef.files(envelope))
