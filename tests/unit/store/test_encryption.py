"""A sealed secret opens with its key, in its place, unchanged; and in no other case."""

import base64
import os
import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from shared.domain.errors import ConfigurationError
from shared.store.encryption import SecretBox, create_key_file, load_key
from tests.support.canary import secret as canary

BOX = SecretBox("k1", b"\x07" * 32)


@given(
    st.text(alphabet=st.characters(exclude_categories=["Cs"])),
    st.text(alphabet=st.characters(exclude_categories=["Cs"])),
)
def test_what_was_sealed_opens_in_its_place(secret: str, binding: str) -> None:
    assert BOX.open(BOX.seal(SecretStr(secret), binding), binding).get_secret_value() == secret


def test_the_same_secret_never_looks_the_same_twice() -> None:
    assert BOX.seal(SecretStr("x"), "b")["sealed"] != BOX.seal(SecretStr("x"), "b")["sealed"]


@pytest.mark.parametrize("field", ["sealed", "nonce"])
def test_a_sealed_secret_that_was_tampered_with_does_not_open(field: str) -> None:
    sealed = BOX.seal(SecretStr(canary()), "b")
    flipped = bytearray(base64.b64decode(sealed[field]))
    flipped[0] ^= 1
    with pytest.raises(ConfigurationError):
        BOX.open(sealed | {field: base64.b64encode(flipped).decode()}, "b")


def test_a_sealed_secret_does_not_open_in_another_place() -> None:
    with pytest.raises(ConfigurationError, match="another host/user"):
        BOX.open(BOX.seal(SecretStr(canary()), "b"), "c")


def test_a_new_key_file_is_readable_by_its_owner_only_and_never_overwritten(tmp_path: Path) -> None:
    file = tmp_path / "new" / "store.key"
    create_key_file(file)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    before = file.read_bytes()
    with pytest.raises(ConfigurationError):
        create_key_file(file)
    assert file.read_bytes() == before
    sealed = load_key(file).seal(SecretStr("x"), "b")
    assert load_key(file).open(sealed, "b").get_secret_value() == "x"


@pytest.mark.parametrize("end", [b"", b"\n", b" \n"])
def test_a_key_may_be_raw_or_base64(tmp_path: Path, end: bytes) -> None:
    key = os.urandom(32)
    raw, text = tmp_path / "raw", tmp_path / "text"
    raw.write_bytes(key)
    text.write_bytes(base64.b64encode(key) + end)
    assert load_key(raw).key_id == load_key(text).key_id


@pytest.mark.parametrize("content", [b"", b"short", b"\x00" * 31, b"\xff" * 33, base64.b64encode(b"x" * 31)])
def test_a_file_that_holds_no_key_is_refused_without_showing_it(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "key"
    file.write_bytes(content)
    with pytest.raises(ConfigurationError) as caught:
        load_key(file)
    assert caught.value.code == "key_file_invalid"
    assert not content or content.decode("latin-1") not in caught.value.line()


def test_a_key_file_that_is_not_there_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as caught:
        load_key(tmp_path / "none")
    assert str(tmp_path / "none") in caught.value.line() and "mail-automator store" in caught.value.line()
