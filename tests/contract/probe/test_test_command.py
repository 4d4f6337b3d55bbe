"""`mailbox test` and `mailbox defaults`: the real command, live lines for people and JSON lines for programs."""

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from services.console.cli.actor import actor
from services.console.cli.main import NAME
from tests.contract.probe.conftest import PASSWORD, imap_at
from tests.support.canary import check, secret

COMMAND = Path(sys.executable).with_name(NAME)
CANARY = secret("command")


def run(home: Path, *arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    env = {"PATH": os.defpath, "HOME": str(home), "LANG": "C.UTF-8", **environ}
    ended = subprocess.run([COMMAND, *arguments], env=env, capture_output=True, text=True, timeout=60, check=False)
    check(ended.stdout + ended.stderr, f"the output of {NAME}")
    return ended


def document(tmp_path, server, auth):
    spec = {"module": "ticket", "email": "support@desk.example", "imap": imap_at(server), "auth": auth}
    spec["imap"]["caFile"] = spec["imap"].pop("ca_file")
    spec["acknowledgements"] = {"enabled": False}
    content = {"apiVersion": "mail-automator/v1", "kind": "Mailbox", "metadata": {"name": "support"}, "spec": spec}
    path = tmp_path / "mailbox.yaml"
    path.write_text(yaml.safe_dump(content))
    return str(path)


async def test_unsaved_values_are_tested_without_a_store(dovecot, tmp_path):
    file = document(tmp_path, dovecot, {"type": "basic", "passwordFrom": {"env": "SUPPORT_PASSWORD"}})
    good = run(tmp_path, "mailbox", "test", "-f", file, "--allow-loopback", SUPPORT_PASSWORD=PASSWORD)
    assert good.returncode == 0, good.stdout + good.stderr
    assert "folder        ok" in good.stdout and "The test passed." in good.stdout
    assert PASSWORD not in good.stdout + good.stderr


async def test_a_password_by_a_file_that_yaml_names_signs_in(dovecot, tmp_path):
    secret = tmp_path / "password"
    secret.write_text(f"{PASSWORD}\n")
    file = document(tmp_path, dovecot, {"type": "basic", "passwordFrom": {"file": str(secret)}})
    good = run(tmp_path, "mailbox", "test", "-f", file, "--allow-loopback")
    assert good.returncode == 0, good.stdout + good.stderr
    assert PASSWORD not in good.stdout + good.stderr


@pytest.mark.parametrize(
    ("source", "told"),
    [
        (
            {"file": "/nowhere/secret"},
            "The secret file /nowhere/secret cannot be read (No such file or directory).",
        ),
        ({"file": "/dev"}, "The secret file /dev cannot be read (Is a directory)."),
        ({"file": "/dev/null"}, "The secret file /dev/null cannot be read (it is empty)."),
        ({"file": "not-utf-8"}, "The secret file not-utf-8 cannot be read (not UTF-8 text)."),
        ({"env": "NOT_SET_ANYWHERE"}, "The environment variable NOT_SET_ANYWHERE is not set."),
        ({"env": "EMPTY"}, "The environment variable EMPTY is not set."),
    ],
)
async def test_a_file_or_variable_that_gives_no_secret_is_said_before_anything_is_sent(
    dovecot, tmp_path, monkeypatch, source, told
):
    (tmp_path / "not-utf-8").write_bytes(b"\xff\xfe")
    monkeypatch.chdir(tmp_path)
    file = document(tmp_path, dovecot, {"type": "basic", "passwordFrom": source})
    bad = run(tmp_path, "mailbox", "test", "-f", file, "--allow-loopback", "-o", "json", EMPTY="")
    failed = next(one for one in map(json.loads, bad.stdout.splitlines()) if one["outcome"] == "failed")
    assert (bad.returncode, failed["name"], failed["code"]) == (1, "authenticate", "IMAP_SECRET_MISSING")
    assert (failed["sentence"], bool(failed["remedy"])) == (told, True)
    assert "Login" not in dovecot.log_file.read_text(), "nothing was sent"


async def test_a_failure_is_exit_1_and_json_lines_hold_every_step_and_no_secret(dovecot, tmp_path):
    file = document(tmp_path, dovecot, {"type": "basic", "password": CANARY})
    bad = run(tmp_path, "mailbox", "test", "-f", file, "--allow-loopback", "-o", "json")
    lines = [json.loads(line) for line in bad.stdout.splitlines()]
    assert bad.returncode == 1
    assert [one["outcome"] for one in lines] == ["ok"] * 5 + ["failed", "skipped"]
    assert lines[5]["code"] == "IMAP_AUTH_DENIED" and lines[5]["remedy"] and lines[5]["mailbox"] == "support"
    assert CANARY not in bad.stdout + bad.stderr
    person = run(tmp_path, "mailbox", "test", "-f", file, "--allow-loopback")
    assert "[IMAP_AUTH_DENIED]" in person.stdout and CANARY not in person.stdout + person.stderr


async def test_this_machine_is_refused_unless_it_is_allowed(dovecot, tmp_path):
    file = document(tmp_path, dovecot, {"type": "basic", "password": PASSWORD})
    refused = run(tmp_path, "mailbox", "test", "-f", file)
    allowed = run(tmp_path, "mailbox", "test", "-f", file, MAIL_AUTOMATOR_PROBE_ALLOW_LOOPBACK="true")
    assert (refused.returncode, allowed.returncode) == (1, 0)
    assert "IMAP_ADDRESS_NOT_ALLOWED" in refused.stdout


def place(settings):
    return {
        "MAIL_AUTOMATOR_STORE_URL": settings.url.get_secret_value(),
        "MAIL_AUTOMATOR_STORE_DATABASE": settings.database,
        "MAIL_AUTOMATOR_STORE_KEY_FILE": str(settings.key_file),
    }


async def test_where_there_is_a_store_tests_are_counted_and_written_down(store, store_settings, tmp_path):
    """Also of values that are not stored, and for the account that made them: five a minute."""
    file = tmp_path / "one.yaml"
    file.write_text(
        "apiVersion: mail-automator/v1\nkind: Mailbox\nmetadata: {name: support}\nspec: {module: ticket, "
        "email: a@desk.example, imap: {host: no.invalid}, acknowledgements: {enabled: false}, "
        f"auth: {{type: basic, password: {CANARY}}}}}\n"
    )
    command = ("mailbox", "test", "-f", str(file), "-o", "json")
    ended = [await asyncio.to_thread(run, tmp_path, *command, **place(store_settings)) for _ in range(6)]
    assert ["IMAP_HOST_UNKNOWN" in one.stdout for one in ended] == [True] * 5 + [False]
    assert ended[5].returncode == 1
    assert "\nerror: tests of mailboxes: at most 5 in 60 s -> wait " in ended[5].stderr
    records = await store.audit.page(kind="Mailbox", name="unsaved")
    assert [one.action for one in records] == ["tested", "test"] * 5
    assert records[0].new == {"imap": "no.invalid:993", "passed": False, "codes": ["IMAP_HOST_UNKNOWN"]}
    assert records[0].who == actor()


def test_a_stored_mailbox_is_tested_by_its_name(store_settings, tmp_path):
    where = place(store_settings)
    file = tmp_path / "one.yaml"
    file.write_text(
        "apiVersion: mail-automator/v1\nkind: Mailbox\nmetadata: {name: support}\nspec: {module: ticket, "
        "email: a@desk.example, imap: {host: no.invalid}, acknowledgements: {enabled: false}, "
        f"auth: {{type: basic, password: {CANARY}}}}}\n"
    )
    assert run(tmp_path, "apply", "-f", str(file), **where).returncode == 0
    tested = run(tmp_path, "mailbox", "test", "support", **where)
    assert (tested.returncode, "IMAP_HOST_UNKNOWN" in tested.stdout) == (1, True)
    missing = run(tmp_path, "mailbox", "test", "suport", **where)
    assert (missing.returncode, 'did you mean "support"?' in missing.stderr) == (3, True)


def test_neither_name_nor_file_is_a_wrong_command_line(tmp_path):
    assert run(tmp_path, "mailbox", "test").returncode == 2
    assert run(tmp_path, "mailbox", "test", "support", "-f", "x.yaml").returncode == 2


def test_defaults_are_said_for_people_and_programs(tmp_path):
    person = run(tmp_path, "mailbox", "defaults", "help@gmail.com")
    assert "imap.gmail.com, port 993, SSL" in person.stdout
    program = run(tmp_path, "mailbox", "defaults", "help@corp.example", "--provider", "microsoft", "-o", "json")
    assert json.loads(program.stdout)["smtp"] == {
        "host": "smtp.office365.com",
        "port": 587,
        "encryption": "starttls",
    }
    assert run(tmp_path, "mailbox", "defaults", "nobody").returncode == 1
