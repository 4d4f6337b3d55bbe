"""Keys come from files or variables, are read again when one is missing, and are never shown."""

import base64
import os
import stat
from pathlib import Path

import pytest
from pydantic import SecretStr

from shared.domain.errors import ConfigurationError
from shared.runtime.settings import read
from shared.store.encryption import Vault
from shared.store.keys import Keyring, create_key_file, from_file
from shared.store.settings import StoreSettings


def vault(**given: object) -> Vault:
    return Vault(Keyring.of(StoreSettings.model_validate(given)))


def key_file(path: Path) -> Path:
    create_key_file(path)
    return path


def test_a_new_key_file_is_readable_by_its_owner_only_and_never_overwritten(tmp_path: Path) -> None:
    file = key_file(tmp_path / "new" / "store.key")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    before = file.read_bytes()
    with pytest.raises(ConfigurationError):
        create_key_file(file)
    assert file.read_bytes() == before


@pytest.mark.parametrize("end", [b"", b"\n", b" \n"])
def test_a_key_may_be_raw_or_base64_or_a_variable(tmp_path: Path, end: bytes) -> None:
    key = os.urandom(32)
    raw, text = tmp_path / "raw", tmp_path / "text"
    raw.write_bytes(key)
    text.write_bytes(base64.b64encode(key) + end)
    ids = {from_file(raw).key_id, from_file(text).key_id}
    ids.add(vault(key=(base64.b64encode(key) + end).decode()).keys.current().key_id)
    assert len(ids) == 1


@pytest.mark.parametrize("content", [b"", b"short", b"\x00" * 31, b"\xff" * 33, base64.b64encode(b"x" * 31)])
def test_what_holds_no_key_is_refused_without_showing_it(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "key"
    file.write_bytes(content)
    with pytest.raises(ConfigurationError) as caught:
        from_file(file)
    assert caught.value.code == "key_file_invalid"
    assert not content or content.decode("latin-1") not in caught.value.line()


def test_a_variable_that_holds_no_key_is_refused_without_showing_it() -> None:
    with pytest.raises(ConfigurationError) as caught:
        vault(key="hunter2-no-key").seal(SecretStr("x"), "b")
    assert caught.value.code == "key_invalid" and "MAIL_AUTOMATOR_STORE_KEY" in caught.value.line()
    assert "hunter2" not in caught.value.line()


def test_a_key_file_that_is_not_there_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as caught:
        from_file(tmp_path / "none")
    assert str(tmp_path / "none") in caught.value.line() and "mail-automator secrets key" in caught.value.line()


def test_a_key_in_a_file_and_another_in_the_environment_are_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    given = {"MAIL_AUTOMATOR_STORE_KEY_FILE": "/k", "MAIL_AUTOMATOR_STORE_KEY": "hunter2"}
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(ConfigurationError, match=r"MAIL_AUTOMATOR_STORE_KEY: .*not both") as caught:
        read(StoreSettings, given)
    assert "hunter2" not in caught.value.line()


def test_what_an_old_key_wrapped_opens_beside_the_new_one(tmp_path: Path) -> None:
    first, second = key_file(tmp_path / "1"), key_file(tmp_path / "2")
    sealed = vault(key_file=first).seal(SecretStr("x"), "b")
    by_file = vault(key_file=second, old_key_files=f"{tmp_path}/none, {first}")
    by_text = vault(key_file=second, old_keys=f"AAAA,{first.read_text()}")
    assert [one.open(sealed, "b").get_secret_value() for one in (by_file, by_text)] == ["x", "x"]
    assert by_file.seal(SecretStr("x"), "b")["key_id"] == from_file(second).key_id


def test_a_key_that_nobody_named_is_told_by_its_id_with_what_could_not_be_read(tmp_path: Path) -> None:
    first, second = key_file(tmp_path / "1"), key_file(tmp_path / "2")
    sealed = vault(key_file=first).seal(SecretStr("x"), "b")
    with pytest.raises(ConfigurationError) as caught:
        vault(key_file=second, old_key_files=str(tmp_path / "gone")).open(sealed, "b")
    assert caught.value.code == "secret_key_missing"
    for told in (from_file(first).key_id, str(tmp_path / "gone"), "MAIL_AUTOMATOR_STORE_OLD_KEY_FILES"):
        assert told in caught.value.line()


def test_a_key_file_that_is_replaced_under_a_running_process_is_read_again(tmp_path: Path) -> None:
    mounted, new = key_file(tmp_path / "store.key"), key_file(tmp_path / "new.key")
    running = vault(key_file=mounted)
    before = running.seal(SecretStr("before"), "b")
    by_another = vault(key_file=new).seal(SecretStr("after"), "b")
    new.replace(mounted)
    assert running.open(by_another, "b").get_secret_value() == "after"
    assert running.open(before, "b").get_secret_value() == "before"
    assert running.seal(SecretStr("x"), "b")["key_id"] == by_another["key_id"] != before["key_id"]


def test_while_its_file_is_away_a_running_process_still_seals_and_opens(tmp_path: Path) -> None:
    file = key_file(tmp_path / "key")
    running = vault(key_file=file)
    before = running.seal(SecretStr("x"), "b")
    file.unlink()
    assert running.seal(SecretStr("x"), "b")["key_id"] == before["key_id"]
    assert running.open(before, "b").get_secret_value() == "x"
    with pytest.raises(ConfigurationError):
        vault(key_file=file).open(before, "b")


def test_nothing_of_a_key_is_in_its_repr(tmp_path: Path) -> None:
    file = key_file(tmp_path / "key")
    key, settings = from_file(file), StoreSettings(key=SecretStr(file.read_text()), old_keys=SecretStr("hunter2"))
    shown = f"{key!r} {settings!r} {settings.model_dump_json()}"
    assert key.key_id in shown
    assert file.read_text().strip() not in shown and "hunter2" not in shown
