"""`simulate`: the rules of production on a mail that is not delivered."""

import json
from datetime import UTC, datetime

import pytest

from services.filter.fingerprints import keys
from services.filter.rules import RULES
from shared.domain.decision import Kind, Reason
from shared.domain.identity import ticket_id
from shared.domain.ledger import DecisionWrite
from shared.mail.parse import parse
from shared.store.client import Store
from shared.store.fingerprints import Claim
from tests.support import builders

CONFIG = """\
apiVersion: mail-automator/v1
kind: Department
metadata: {name: people}
---
apiVersion: mail-automator/v1
kind: Service
metadata: {name: hr-service}
spec: {keywords: [payroll access], department: people}
---
apiVersion: mail-automator/v1
kind: Mailbox
metadata: {name: support}
spec:
  module: request
  email: support@example.com
  imap: {host: imap.example.com}
  acknowledgements: {enabled: false}
  auth: {type: basic, passwordFrom: {env: X}}
  domains: {onlyIfInTo: true, allowDuplicates: false, blockedSenders: ["*@spam.example"]}
"""
MAIL = """\
From: Alice <alice@example.org>
To: support@example.com
Message-ID: <one@example.org>
Subject: Payroll Access Issue
Importance: high

It does not open.
"""


@pytest.fixture
def config(cli) -> str:
    return cli.file(CONFIG)


def outcome(cli, mail: str, *more: str) -> dict:
    answer = cli.here("simulate", "-", "--mailbox", "support", "--output", "json", *more, stdin=mail)
    assert (answer.code, answer.errors) == (0, [])
    return json.loads(answer.out)


def test_every_rule_is_shown_in_the_order_of_production_then_the_classification(cli, config: str):
    found = outcome(cli, MAIL, "-f", config)
    rules = [one["rule"] for one in found["steps"] if one["stage"] == "filter"]
    assert rules == [rule.name for rule in RULES]
    assert (found["kind"], found["classification"]["service"]) == ("ticket", "hr-service")
    assert (found["classification"]["department"], found["classification"]["priority"]) == ("people", "high")
    assert "open a request (REQ-" in found["sentence"]


def test_a_rejection_names_the_first_rule_and_still_shows_those_after_it(cli, config: str):
    found = outcome(cli, MAIL.replace("example.org>", "spam.example>").replace("To:", "Cc:"), "-f", config)
    assert (found["kind"], found["reason"], found["classification"]) == ("rejected", "blocked_sender", None)
    verdicts = {one["rule"]: one["verdict"] for one in found["steps"]}
    assert (verdicts["blocked_sender"], verdicts["not_in_to"]) == ("rejected", "rejected")


def test_a_table_for_people_ends_with_what_would_happen(cli, config: str):
    mail = cli.file(MAIL, "mail.eml")
    answer = cli("simulate", mail, "-m", "support", "-f", config)
    assert answer.code == 0
    assert "blocked_sender" in answer.out
    assert answer.out.splitlines()[-1].startswith("It would open a request")


def test_with_a_store_a_repeat_is_told_and_nothing_is_claimed(cli):
    assert cli.here("apply", "-f", "-", stdin=CONFIG).code == 0
    email = parse(MAIL.encode())
    assert outcome(cli, MAIL)["kind"] == "ticket"
    assert outcome(cli, MAIL)["kind"] == "ticket"

    async def first_one_came(store: Store) -> None:
        await store.ledger.insert_many([builders.entry("first")])
        of_ticket = {"kind": Kind.TICKET, "reason": Reason.REQUEST_CREATED, "ticket_id": "t", "number": "REQ-000007"}
        await store.ledger.decide_many(
            [DecisionWrite(mail_id="first", decision=builders.decision(**of_ticket), trace=())]
        )
        at = datetime.now(UTC)
        await store.fingerprints.owners(
            [Claim(key=one.key, mail_id="first", at=at, window=None) for one in keys("support", email)]
        )

    cli.store(first_one_came)
    found = outcome(cli, MAIL)
    assert found["kind"] == "duplicate"
    assert "REQ-000007" in found["sentence"]
    assert outcome(cli, MAIL.replace("It does not open.", "Other text."))["kind"] == "ticket"


def test_with_a_store_an_answer_to_a_mail_of_ours_is_told(cli):
    assert cli.here("apply", "-f", "-", stdin=CONFIG).code == 0

    async def acknowledged(store: Store) -> str:
        return (await store.mark_keys.marks()).message_id(ticket_id("m0"), "example.com")

    answer = MAIL.replace("Subject:", f"In-Reply-To: {cli.store(acknowledged)}\nSubject: Re:")
    assert "It answers a mail of ours" in outcome(cli, answer)["sentence"]
    assert "It answers a mail of ours" not in outcome(cli, MAIL)["sentence"]
    assert "It answers a mail of ours" not in outcome(cli, answer.replace("<ack.", "<ack.x"))["sentence"]


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (("/nowhere.eml", "-m", "support"), 1, "the mail cannot be read"),
        (("-", "-m", "suport"), 3, 'did you mean "support"?'),
    ],
)
def test_a_mail_or_mailbox_that_is_not_there_is_one_line(
    cli, config: str, arguments: tuple[str, ...], code: int, told: str
):
    answer = cli.here("simulate", *arguments, "-f", config, stdin=MAIL)
    (line,) = answer.errors
    assert answer.code == code
    assert told in line


def test_any_bytes_are_a_mail(cli, config: str):
    rubbish = cli.home / "rubbish.eml"
    rubbish.write_bytes(bytes(range(256)) * 20)
    answer = cli.here("simulate", str(rubbish), "-m", "support", "-f", config)
    assert (answer.code, answer.errors) == (0, [])
