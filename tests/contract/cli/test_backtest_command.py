"""`backtest`: the real command, over mails that went through the real stages."""

import json
from datetime import UTC, datetime

import pytest
import yaml

from shared.store.client import Store
from tests.support.backtests import write_past
from tests.support.embedded_store import FakeClock

AT = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


@pytest.fixture
def past(cli):
    async def write(store: Store) -> None:
        await write_past(store, FakeClock(AT))

    cli.store(write)
    return cli


def document(cli, **domains) -> str:
    spec = {
        "module": "ticket",
        "email": "support@example.com",
        "imap": {"host": "imap.example.com"},
        "auth": {"type": "basic", "passwordFrom": {"env": "X"}},
        "acknowledgements": {"enabled": False},
        "domains": {"allowDuplicates": False, "onlyIfInTo": True, **domains},
    }
    head = {"apiVersion": "mail-automator/v1", "kind": "Mailbox", "metadata": {"name": "support"}}
    return cli.file(yaml.safe_dump({**head, "spec": spec}))


def test_a_stricter_rule_shows_the_ticket_that_would_have_been_a_rejection(past):
    path = document(past, blockedSenders=["bob@people.example"])
    answer = past("backtest", "-f", path, "--detailed-exitcode", "-o", "json")
    assert answer.code == 2, answer.errors
    found = json.loads(answer.out)
    (change,) = found["changes"]
    assert (change["mail_id"], change["old"]["outcome"], change["new"]["outcome"]) == (
        "d",
        "ticket",
        "rejected: blocked_sender",
    )
    assert (found["examined"], found["changed"], found["by_rules"]) == (8, 1, 1)
    people = past.here("backtest", "-f", path)
    assert people.code == 0 and "8 examined, 1 end otherwise by these rules, 7 do not change." in people.out


def test_unchanged_rules_are_exit_0_with_detailed_exitcode(past):
    answer = past.here("backtest", "-f", document(past), "--detailed-exitcode", "-o", "json")
    assert (answer.code, json.loads(answer.out)["changes"]) == (0, [])


@pytest.mark.parametrize(
    ("chosen", "examined"),
    [
        (("--last", "3"), 3),
        (("--since", "2026-03-01T12:00:06Z"), 2),
        (("--since", "2026-03-02"), 0),
        (("--mailbox", "sales"), 0),
    ],
)
def test_mails_are_chosen_by_number_time_and_mailbox(past, chosen, examined):
    answer = past.here("backtest", "-f", document(past), *chosen, "-o", "json")
    assert json.loads(answer.out)["examined"] == examined


def test_a_catalogue_is_tried_on_the_mails_of_all_mailboxes(past):
    service = {"apiVersion": "mail-automator/v1", "kind": "Service", "metadata": {"name": "network"}}
    path = past.file(yaml.safe_dump({**service, "spec": {"keywords": ["vpn"]}}), "service.yaml")
    (change,) = json.loads(past.here("backtest", "-f", path, "-o", "json").out)["changes"]
    assert (change["mail_id"], change["old"]["service"], change["new"]["service"]) == ("d", None, "network")
    assert "service network" in past.here("backtest", "-f", path).out


def test_an_unknown_mailbox_is_exit_3_and_a_name_nobody_has_an_error(past):
    path = document(past, defaultService="nowhere")
    assert past.here("backtest", "-f", path, "--mailbox", "suport").code == 3
    answer = past.here("backtest", "-f", path)
    assert answer.code == 1 and 'no Service is named "nowhere"' in answer.errors[-1]


def test_a_raw_mail_that_is_gone_is_told(past):
    async def lose(store: Store) -> int:
        return await store.collection("raw").delete({"_id": "d"})

    past.store(lose)
    answer = past.here("backtest", "-f", document(past))
    assert "1 mail(s) could not be tried: their raw mail is no longer stored." in answer.out
