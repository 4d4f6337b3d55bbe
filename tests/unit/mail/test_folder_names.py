"""Folder names on the wire."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.mail.folder_names import decode, encode


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_any_folder_name_survives_modified_utf7(name: str) -> None:
    assert encode(name).isascii()
    assert decode(encode(name)) == name


@pytest.mark.parametrize(
    ("name", "wire"),
    [
        ("~peter/mail/台北/日本語", "~peter/mail/&U,BTFw-/&ZeVnLIqe-"),
        ("Entwürfe", "Entw&APw-rfe"),
        ("A & B", "A &- B"),
        ("日本", "&ZeVnLA-"),
    ],
)
def test_folder_names_are_modified_utf_7(name: str, wire: str) -> None:
    assert (encode(name), decode(wire)) == (wire, name)


@pytest.mark.parametrize("wire", ["&AP-", "&2AA-", "&*-", "a&b"])
def test_what_is_not_modified_utf7_comes_back_as_it_is(wire: str) -> None:
    assert decode(wire) == wire
