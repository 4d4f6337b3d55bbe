"""`secrets key|status|rotate-key`: the real command and a real store, killed in the middle, and silent about keys."""

import asyncio
import base64
import json
import signal
import subprocess
import time
from pathlib import Path

import pytest

from shared.runtime.clock import Clock
from shared.store.client import Store
from shared.store.indexes import ensure_indexes
from shared.store.keys import create_key_file, from_file
from tests.contract.cli.conftest import COMMAND, Line
from tests.support.builders import mailbox

PASSWORD = "hunter2"
OLD_FILES = "MAIL_AUTOMATOR_STORE_OLD_KEY_FILES"
KEY_FILE = "MAIL_AUTOMATOR_STORE_KEY_FILE"


@pytest.fixture
def new_key(cli: Line) -> Path:
    file = cli.home / "new.key"
    create_key_file(file)
    return file


@pytest.fixture
def rotating(cli: Line, new_key: Path) -> dict[str, str]:
    """The environment of a rotation: the new key is current, the old one can still be read."""
    return {KEY_FILE: str(new_key), OLD_FILES: str(cli.settings.key_file)}


def fill(cli: Line, count: int) -> list[str]:
    names = [f"box-{n:03d}" for n in range(count)]

    async def work(store: Store) -> None:
        await ensure_indexes(store)
        boxes = [mailbox(name, auth={"type": "basic", "password": f"{PASSWORD}-{name}"}) for name in names]
        await asyncio.gather(*(store.mailboxes.put(one, {}) for one in boxes))

    cli.store(work)
    return names


def passwords(cli: Line, key: Path) -> dict[str, str]:
    """Every password, as a process reads it that has this key alone."""

    async def work() -> dict[str, str]:
        store = await Store.open(cli.settings.model_copy(update={"key_file": key}), clock=Clock())
        try:
            boxes = await store.mailboxes.all()
            return {one.name: (await store.secrets.reveal(one, "auth.password")).get_secret_value() for one in boxes}
        finally:
            await store.close()

    return asyncio.run(work())


def under(cli: Line, key: Path) -> int:
    key_id = from_file(key).key_id

    async def work(store: Store) -> int:
        boxes = await store.collection("mailboxes").find({}, only=("secrets",))
        return sum(secret["key_id"] == key_id for one in boxes for secret in one["secrets"])

    return cli.store(work)


def test_a_key_is_made_once_and_its_id_is_told(cli: Line) -> None:
    file = cli.home / "keys" / "store.key"
    made = cli("secrets", "key", str(file))
    assert made.code == 0
    assert from_file(file).key_id in made.out and file.read_text().strip() not in made.out
    again = cli.here("secrets", "key", str(file))
    assert (again.code, again.out) == (1, "")
    assert str(file) in again.errors[0]


def test_a_rotation_from_the_new_key_to_the_day_the_old_one_is_thrown_away(cli: Line, new_key: Path, rotating) -> None:
    fill(cli, 3)
    old, new = from_file(cli.settings.key_file).key_id, from_file(new_key).key_id
    before = json.loads(cli("secrets", "status", "-o", "json", **rotating).out)
    assert before["keys"] == [
        {"key_id": new, "secrets": 0, "current": True, "readable": True},
        {"key_id": old, "secrets": 3, "current": False, "readable": True},
    ]
    dry = cli("secrets", "rotate-key", "--dry-run", **rotating)
    assert dry.out == f"dry run, nothing written: to re-wrap 3, already under key {new} 0, left 0\n"
    assert under(cli, new_key) == 0
    done = cli("secrets", "rotate-key", **rotating)
    assert (done.code, done.out) == (0, f"re-wrapped 3, already under key {new} 0, left 0\n")
    again = json.loads(cli.here("secrets", "rotate-key", "-o", "json", **rotating).out)
    assert (again["rewrapped"], again["already"], again["left"]) == (0, 3, {})
    after = cli("secrets", "status", **{KEY_FILE: str(new_key)})
    assert after.code == 0
    assert f"all 3 secrets are under the current key {new}: no other key is needed for them" in after.out
    assert passwords(cli, new_key) == {f"box-00{n}": f"{PASSWORD}-box-00{n}" for n in range(3)}


def test_without_the_old_key_it_names_key_and_mailbox_and_changes_nothing(cli: Line, new_key: Path) -> None:
    fill(cli, 2)
    old = from_file(cli.settings.key_file).key_id
    for command in (("rotate-key", "--dry-run"), ("rotate-key",), ("status",)):
        answer = cli.here("secrets", *command, **{KEY_FILE: str(new_key)})
        assert answer.code == 1
        assert len(answer.errors) == 2
        for name, line in zip(("box-000", "box-001"), answer.errors, strict=True):
            assert f"mailbox {name}, auth.password" in line and old in line and OLD_FILES in line
    assert f"left under key {old}: 2" in cli.here("secrets", "rotate-key", **{KEY_FILE: str(new_key)}).out
    assert len(passwords(cli, cli.settings.key_file)) == 2


def test_a_rotation_is_in_the_audit_log_and_one_that_left_something_too(cli: Line, new_key: Path, rotating) -> None:
    fill(cli, 1)
    assert cli.here("secrets", "rotate-key", **{KEY_FILE: str(new_key)}).code == 1
    assert cli.here("secrets", "rotate-key", "--dry-run", **rotating).code == 0
    assert cli.here("secrets", "rotate-key", **rotating).code == 0
    log = cli.store(lambda store: store.audit.page(kind="Key"))
    assert [(one.action, one.outcome) for one in log] == [
        ("rotate_key", "done"),
        ("rotate_key", "failed"),
        ("rotate_key", "done"),
    ]
    assert log[0].name == from_file(new_key).key_id
    assert log[0].old == {"secrets": {log[0].name: 0, from_file(cli.settings.key_file).key_id: 1}}
    assert log[0].who.startswith("cli ")


def test_killed_in_the_middle_and_run_again_it_loses_nothing(cli: Line, new_key: Path, rotating) -> None:
    names = fill(cli, 250)
    for _ in range(3):
        before = under(cli, new_key)
        running = subprocess.Popen(
            [COMMAND, "secrets", "rotate-key"], env=cli.environment(rotating), stdout=subprocess.PIPE
        )
        deadline = time.monotonic() + 30
        while under(cli, new_key) < before + 5 and time.monotonic() < deadline:
            assert running.poll() is None
        running.send_signal(signal.SIGKILL)
        assert running.wait() == -signal.SIGKILL
        assert before < under(cli, new_key) < len(names)
    halfway = cli.here("secrets", "status", "-o", "json", **rotating)
    assert [row["readable"] for row in json.loads(halfway.out)["keys"]] == [True, True]
    done = json.loads(cli("secrets", "rotate-key", "-o", "json", **rotating).out)
    assert done["rewrapped"] + done["already"] == len(names) and done["left"] == {}
    assert passwords(cli, new_key) == {name: f"{PASSWORD}-{name}" for name in names}


def test_a_key_in_the_environment_does_the_same(cli: Line, new_key: Path) -> None:
    fill(cli, 1)
    text = {"MAIL_AUTOMATOR_STORE_KEY": new_key.read_text().strip()}
    environment = cli.environment({**text, "MAIL_AUTOMATOR_STORE_OLD_KEYS": cli.settings.key_file.read_text()})
    del environment[KEY_FILE]
    ran = subprocess.run(
        [COMMAND, "secrets", "rotate-key"], env=environment, capture_output=True, text=True, check=False, timeout=60
    )
    assert (ran.returncode, ran.stderr) == (0, "")
    assert passwords(cli, new_key) == {"box-000": f"{PASSWORD}-box-000"}


def test_no_key_and_no_secret_is_in_anything_that_is_said_or_logged(cli: Line, new_key: Path, rotating) -> None:
    fill(cli, 2)
    wrong = {"MAIL_AUTOMATOR_STORE_KEY": "aHVudGVyMg==", **rotating}
    said = [
        cli.here("secrets", *command, "-o", form, **environ)
        for environ in (rotating, {KEY_FILE: str(new_key)}, wrong, {KEY_FILE: str(cli.home / "none")})
        for command in (("status",), ("rotate-key", "--dry-run"), ("rotate-key",))
        for form in ("table", "json", "yaml")
    ]
    text = repr(said) + repr(cli.store(lambda store: store.audit.page()))
    for file in (new_key, cli.settings.key_file):
        content = base64.b64decode(file.read_text())
        assert file.read_text().strip() not in text and content.hex() not in text and repr(content) not in text
    assert PASSWORD not in text and "aHVudGVyMg" not in text
