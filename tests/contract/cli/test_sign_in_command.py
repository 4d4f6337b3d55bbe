"""`mailbox sign-in` as a process of its own: a code, our identity provider, and a mailbox that is then signed in."""

import json
import re
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from shared.domain.mailbox import Mailbox
from tests.contract.oauth.conftest import mail_server, provider
from tests.support.identity import Provider
from tests.support.imap import USER
from tests.support.sign_ins import delegated_mailbox, register

__all__ = ["mail_server", "provider"]


@pytest.fixture
def identity(provider: Provider) -> Provider:
    register(provider)
    return provider


@pytest.fixture
def allowed(identity: Provider) -> dict[str, str]:
    """The settings that let the command go to our provider."""
    ca_file = str(identity.certificates.ca_file)
    return {"MAIL_AUTOMATOR_OAUTH_AUTHORITIES": identity.authority, "MAIL_AUTOMATOR_OAUTH_CA_FILE": ca_file}


@contextmanager
def waiting(cli, allowed: dict[str, str], *more: str) -> Iterator[tuple[subprocess.Popen, str]]:
    """The command, once it has shown a code: the process and the code."""
    process = cli.start("mailbox", "sign-in", "support", *more, **allowed)
    try:
        line = process.stdout.readline()
        shown = re.search(r"\b[0-9A-F]{8}\b", line)
        assert shown is not None, line + process.stderr.read()
        yield process, shown[0]
    finally:
        process.kill()
        process.communicate()


def put(cli, mailbox: Mailbox) -> None:
    cli.store(lambda store: store.mailboxes.put(mailbox, {}))


def listed(cli) -> dict:
    (one,) = json.loads(cli.here("mailbox", "list", "-o", "json").out)
    return one


def test_a_code_is_shown_and_typed_in_and_the_mailbox_is_signed_in(cli, identity: Provider, allowed) -> None:
    put(cli, delegated_mailbox(identity))
    assert listed(cli)["sign_in"] == "sign in"
    with waiting(cli, allowed) as (process, code):
        identity.approve(code)
        out, errors = process.communicate(timeout=30)
    assert (process.returncode, errors) == (0, "")
    assert f"mailbox support is signed in as {USER}" in out
    shown = listed(cli)
    assert (shown["sign_in"], shown["signed_in_as"], shown["signed_in_at"] is not None) == (f"as {USER}", USER, True)
    assert f"as {USER}" in cli.here("mailbox", "show", "support").out
    (record,) = cli.store(lambda store: store.audit.page())
    assert (record.action, record.who[:4], record.new) == ("sign_in", "cli ", {"account": USER})
    assert cli.store(lambda store: store.config.generation()) == 2
    text = out + str(cli.store(lambda store: store.collection("sign_ins").find({})))
    assert [one for one in (*identity.issued, *identity.families) if one in text] == []


def test_another_account_is_pointed_out_and_programs_get_json(cli, identity: Provider, allowed) -> None:
    put(cli, delegated_mailbox(identity))
    identity.person = "ann@desk.example"
    with waiting(cli, allowed, "-o", "json") as (process, code):
        identity.approve(code)
        out, _ = process.communicate(timeout=30)
    assert json.loads(out) == {"name": "support", "account": "ann@desk.example", "own_account": False}


def test_ctrl_c_ends_it_cleanly(cli, identity: Provider, allowed) -> None:
    put(cli, delegated_mailbox(identity))
    with waiting(cli, allowed) as (process, _):
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=15)
    assert (process.returncode, errors) == (130, "")
    assert listed(cli)["sign_in"] == "sign in"


def test_a_code_that_nobody_types_in_is_one_line(cli, identity: Provider, allowed) -> None:
    put(cli, delegated_mailbox(identity))
    identity.device_seconds = 2
    with waiting(cli, allowed) as (process, _):
        _, errors = process.communicate(timeout=15)
    assert process.returncode == 1
    assert errors.startswith("error: nobody has signed in in time") and errors.count("\n") == 1


def test_a_person_who_declines_is_told_so(cli, identity: Provider, allowed) -> None:
    put(cli, delegated_mailbox(identity))
    identity.declines = True
    with waiting(cli, allowed) as (process, _):
        _, errors = process.communicate(timeout=15)
    assert (process.returncode, "declined" in errors) == (1, True)


def test_a_mailbox_that_nobody_has_to_sign_in_for_is_refused(cli, identity: Provider, allowed) -> None:
    put(cli, delegated_mailbox(identity, flow="application", client_secret="s"))
    answer = cli.here("mailbox", "sign-in", "support", **allowed)
    assert (answer.code, "flow: delegated" in answer.errors[0]) == (1, True)
    assert cli.here("mailbox", "sign-in", "nobody", **allowed).code == 3


def test_the_test_of_a_mailbox_uses_the_sign_in_and_says_when_it_is_needed(
    cli, identity: Provider, allowed, mail_server
) -> None:
    put(cli, delegated_mailbox(identity, mail_server))
    command = ("mailbox", "test", "support", "--allow-loopback", "-o", "json")
    before = cli(*command, **allowed)
    failed = [one for one in map(json.loads, before.out.splitlines()) if one["outcome"] == "failed"]
    assert (before.code, [(one["name"], one["code"]) for one in failed]) == (1, [("token", "IMAP_SIGN_IN_NEEDED")])
    with waiting(cli, allowed) as (process, code):
        identity.approve(code)
        process.communicate(timeout=30)
    after = cli(*command, **allowed)
    steps = [json.loads(line) for line in after.out.splitlines()]
    assert (after.code, steps[-1]["name"], steps[-1]["outcome"]) == (0, "folder", "ok")
