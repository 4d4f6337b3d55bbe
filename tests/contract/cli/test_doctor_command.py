"""`doctor`: what it says when parts are down, and that a support bundle holds nobody's data and no secret."""

import hashlib
import json
import tarfile
from pathlib import Path
from typing import Any

import pytest

from services.console.doctor.redacting import ADDRESS, REDACTED, SET, configuration, scrub, setting
from shared.domain.mailbox_runtime import MailboxStatus, Phase
from shared.store.client import Store
from tests.contract.cli.conftest import Line
from tests.support import builders
from tests.support.books import SENDER, SUBJECTS, write_books
from tests.support.builders import AT
from tests.support.canary import check, secret

PLANTED = (SENDER, "people.example", "boss@corp.example", "Ada Lovelace", *SUBJECTS.values())
BROKER = f"amqp://mailer:{secret('broker')}@127.0.0.1:1/"


async def plant(store: Store) -> None:
    """People and secrets in every place that a bundle looks at."""
    await write_books(store)
    domains = {"blockedSenders": ["boss@corp.example"]}
    auth = {"type": "basic", "username": "boss@corp.example", "password": secret("mailbox")}
    names = {"email": "boss@corp.example", "aliases": ["ann@people.example"]}
    found = builders.mailbox("planted", auth=auth, domains=domains, **names)
    await store.mailboxes.put(found, {}, create=True)
    refused = f"LOGIN failed for boss@corp.example with {secret('told')}"
    status = MailboxStatus(state=Phase.NEEDS_ATTENTION, code="auth", sentence=refused, since=AT)
    await store.runtime.set_status("planted", status)
    await store.audit.append("user Ada Lovelace", "pause", "Mailbox", "boss@corp.example", new={"x": secret("audit")})


def opened(file: Path) -> dict[str, str]:
    """The texts of a bundle; each is looked through for secrets."""
    with tarfile.open(file) as bundle:
        texts = {one.name.partition("/")[2]: bundle.extractfile(one) for one in bundle.getmembers()}
        found = {name: raw.read().decode() for name, raw in texts.items() if raw is not None}
    for name, text in found.items():
        check(text, f"{name} of a support bundle")
    return found


def health(out: str) -> dict[str, dict[str, Any]]:
    return {one["name"]: one for one in json.loads(out)}


def test_a_bundle_has_counts_and_versions_and_nobody_in_it(cli: Line) -> None:
    """The broker is down: it says so, and the rest is there."""
    cli("store", "init")
    cli.store(plant)
    file = cli.home / "bundle.tar.gz"
    more = {
        "MAIL_AUTOMATOR_BROKER_URL": BROKER,
        "MAIL_AUTOMATOR_LOG_LEVEL": "DEBUG",
        "MAIL_AUTOMATOR_STOP_SECONDS": "7",
    }
    answer = cli("-o", "json", "doctor", "--bundle", str(file), **more)
    found = health(answer.out)
    assert answer.code == 1
    assert {name: one["state"] for name, one in found.items()} == {
        "store": "ok",
        "store_indexes": "ok",
        "store_guarantees": "ok",
        "secrets": "ok",
        "books": "unknown",
        "quarantine": "note",
        "outbox": "ok",
        "acknowledgements": "ok",
        "mailboxes": "finding",
        "broker": "finding",
        "topology": "unknown",
    }
    texts = opened(file)
    whole = "\n".join(texts.values())
    assert [one for one in PLANTED if one.lower() in whole.lower()] == []
    assert json.loads(texts["settings.json"])["MAIL_AUTOMATOR_BROKER_URL"] == "amqp://127.0.0.1:1"
    assert json.loads(texts["settings.json"])["MAIL_AUTOMATOR_STOP_SECONDS"] == "7"
    assert json.loads(texts["counts.json"])["quarantine"][0]["mails"] == 2
    (planted,) = [one for one in json.loads(texts["mailboxes.json"]) if one["name"] == "planted"]
    assert (planted["is"]["code"], planted["spec"]["imap"]["host"]) == ("auth", "imap.example.com")
    assert json.loads(texts["audit.json"])[0]["action"] == "pause"
    assert texts["queues.json"] == "not available\n"
    assert file.stat().st_mode & 0o777 == 0o600
    listed = json.loads(texts.pop("manifest.json"))["files"]
    assert {name: hashlib.sha256(text.encode()).hexdigest() for name, text in texts.items()} == {
        name: one["sha256"] for name, one in listed.items()
    }
    assert "is there already" in cli("doctor", "--bundle", str(file), **more).errors[-1]


def test_without_a_store_the_rest_is_looked_at(cli: Line) -> None:
    """And the bundle is made all the same: then it is needed most."""
    file = cli.home / "bundle.tar.gz"
    url = f"mongodb://mailer:{secret('store')}@127.0.0.1:1/"
    more = {
        "MAIL_AUTOMATOR_STORE_URL": url,
        "MAIL_AUTOMATOR_BROKER_URL": BROKER,
        "MAIL_AUTOMATOR_STORE_TIMEOUT_SECONDS": "1",
    }
    answer = cli("-o", "json", "doctor", "--bundle", str(file), **more)
    found = health(answer.out)
    assert (answer.code, found["store"]["state"], found["books"]["state"]) == (1, "finding", "unknown")
    texts = opened(file)
    assert "counts.json" not in texts
    assert json.loads(texts["versions.json"])["packages"]["mail-automator"]
    assert json.loads(texts["settings.json"])["MAIL_AUTOMATOR_STORE_URL"] == "mongodb://127.0.0.1:1"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("from Ann.O'Neil+x@people.example.", f"from Ann.O'{ADDRESS}"),
        ("<ann@people.example>", f"<{ADDRESS}>"),
        ("to=ann%40people.example", f"to={ADDRESS}"),
        ("mongodb://ann:pass@host:27017/x", "mongodb://host:27017/x"),
        ("amqps://u@h/", "amqps://h/"),
        ("hunter2hunter2 here", f"{REDACTED} here"),
        ("7 mails, 3 < 4", "7 mails, 3 < 4"),
    ],
)
def test_texts_are_scrubbed(text: str, shown: str) -> None:
    assert scrub(text, frozenset({"hunter2hunter2"})) == shown


@pytest.mark.parametrize(
    ("name", "value", "shown"),
    [
        ("MAIL_AUTOMATOR_STORE_KEY", "12345", REDACTED),
        ("MAIL_AUTOMATOR_STORE_KEY_FILE", "/home/ann/key", SET),
        ("MAIL_AUTOMATOR_STORE_URL", "mongodb://u:p@h:1/d?tls=true", "mongodb://h:1"),
        ("MAIL_AUTOMATOR_FETCHER_BATCH", "50", "50"),
        ("MAIL_AUTOMATOR_CONSOLE_TLS", "true", "true"),
        ("MAIL_AUTOMATOR_STORE_PASWORD", "hunter2", SET),
    ],
)
def test_settings_show_numbers_switches_and_where_servers_are(name: str, value: str, shown: str) -> None:
    assert setting(name, value) == shown


def test_of_a_configuration_texts_are_left_out() -> None:
    given = {
        "host": "imap.example.com",
        "folder": "Ann",
        "port": 993,
        "on": True,
        "list": ["ann@x.example"],
        "none": None,
    }
    shown = {
        "host": "imap.example.com",
        "folder": "[text]",
        "port": 993,
        "on": True,
        "list": "[1 of them]",
        "none": None,
    }
    assert configuration(given) == shown
