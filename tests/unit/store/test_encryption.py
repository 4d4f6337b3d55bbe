"""A sealed secret opens with its key, in its place, unchanged; and in no other case."""

import base64
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from shared.domain.errors import ConfigurationError
from shared.store.encryption import Vault
from shared.store.keys import Key, Keyring

OLD, NEW = Key.of(b"\x07" * 32), Key.of(b"\x08" * 32)
ANY_TEXT = st.text(alphabet=st.characters(exclude_categories=["Cs"]))
VAULT = Vault(Keyring(lambda: OLD))
ROTATING = Vault(Keyring(lambda: NEW, (lambda: OLD,)))
AFTERWARDS = Vault(Keyring(lambda: NEW))


def sealed(plain: str = "secret", binding: str = "b") -> dict[str, Any]:
    return VAULT.seal(SecretStr(plain), binding)


def flipped(value: str) -> str:
    changed = bytearray(base64.b64decode(value))
    changed[0] ^= 1
    return base64.b64encode(changed).decode()


@given(ANY_TEXT, ANY_TEXT)
def test_what_was_sealed_opens_in_its_place_before_and_after_a_rotation(secret: str, binding: str) -> None:
    before = VAULT.seal(SecretStr(secret), binding)
    assert VAULT.open(before, binding).get_secret_value() == secret
    assert AFTERWARDS.open(ROTATING.rewrap(before), binding).get_secret_value() == secret


def test_the_same_secret_never_looks_the_same_twice() -> None:
    one, other = sealed(), sealed()
    assert all(one[name] != other[name] for name in ("nonce", "secret", "key_nonce", "data_key"))


def test_rewrapping_changes_the_wrapping_only_and_a_second_time_nothing() -> None:
    before = sealed() | {"field": "auth.password"}
    after = ROTATING.rewrap(before)
    assert {name for name in before if before[name] != after[name]} == {"key_id", "key_nonce", "data_key"}
    assert after["key_id"] == NEW.key_id
    assert ROTATING.rewrap(after) == after
    with pytest.raises(ConfigurationError):
        VAULT.open(after, "b")


@pytest.mark.parametrize("field", ["secret", "nonce", "data_key", "key_nonce"])
@pytest.mark.parametrize("change", [flipped, lambda _: "", lambda _: "AAAA", lambda _: "*", lambda _: 7])
def test_bytes_that_were_altered_do_not_open(field: str, change: Any) -> None:
    with pytest.raises(ConfigurationError) as caught:
        VAULT.open(sealed() | {field: change(sealed()[field])}, "b")
    assert caught.value.code == "secret_unreadable"
    assert "again" in caught.value.remedy


@pytest.mark.parametrize(
    ("field", "value", "code"),
    [
        ("form", "envelope-0", "secret_unreadable"),
        ("key_id", NEW.key_id, "secret_key_missing"),
        ("binding", sealed(binding="c")["binding"], "secret_unreadable"),
    ],
)
def test_words_that_were_altered_do_not_open(field: str, value: str, code: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        VAULT.open(sealed() | {field: value}, "c" if field == "binding" else "b")
    assert caught.value.code == code


@pytest.mark.parametrize("field", ["form", "key_id", "binding", "key_nonce", "data_key"])
def test_an_altered_wrapping_is_not_wrapped_anew(field: str) -> None:
    with pytest.raises(ConfigurationError):
        ROTATING.rewrap(sealed() | {field: sealed("x", "c")[field] if field == "binding" else "AAAA"})


@pytest.mark.parametrize("field", ["form", "key_id", "binding", "nonce", "secret", "key_nonce", "data_key"])
def test_a_part_that_is_missing_is_one_clear_error(field: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        VAULT.open({name: value for name, value in sealed().items() if name != field}, "b")
    assert caught.value.remedy


def test_the_data_key_of_one_secret_does_not_open_another() -> None:
    mine, other = sealed(), sealed("other")
    wrapping = {name: other[name] for name in ("key_id", "key_nonce", "data_key")}
    with pytest.raises(ConfigurationError):
        VAULT.open(mine | wrapping, "b")


def test_a_sealed_secret_does_not_open_in_another_place() -> None:
    with pytest.raises(ConfigurationError) as caught:
        VAULT.open(sealed(), "c")
    assert caught.value.code == "secret_bound_elsewhere"


def test_no_error_and_no_stored_form_shows_the_secret() -> None:
    stored = sealed("hunter2")
    assert "hunter2" not in repr(stored)
    for broken in (stored | {"secret": flipped(stored["secret"])}, stored | {"form": "hunter2"}, {}):
        with pytest.raises(ConfigurationError) as caught:
            VAULT.open(broken, "b")
        assert "hunter2" not in caught.value.line()
