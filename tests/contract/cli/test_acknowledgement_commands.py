"""Acknowledgements at the command line: how far they are, why, what would be sent, and sending again."""

import json
from datetime import timedelta

from shared.domain.ticket import Acknowledgement
from shared.domain.ticket import AcknowledgementState as State
from shared.store.client import Store
from tests.contract.cli.conftest import Line
from tests.support import builders
from tests.support.notifying import office, ticket

TTL = timedelta(seconds=30)


async def keep(store: Store, *states: State) -> None:
    """A mailbox, and one acknowledgement in each of these states."""
    on = {"smtp": {"host": "smtp.desk.example"}, "acknowledgements": {"enabled": True}}
    box = builders.mailbox(
        "support", email="support@desk.example", auth={"type": "basic", "passwordFrom": {"env": "X"}}, **on
    )
    desk = await office(store, box)
    for n, state in enumerate(states, 1):
        made = ticket(n, addressed=state is not State.SUPPRESSED)
        await store.tickets.insert_many([made])
        await desk.notifier.take({made.ticket_id})
        mail = await store.outbound.get(made.ticket_id)
        if mail is None or state in (State.PENDING, State.SUPPRESSED):
            continue
        held = await store.outbound.claim(mail, "w", TTL)
        assert held is not None
        status = Acknowledgement(state=state, code="no_reply", sentence="Because.", at=builders.AT)
        moved = await store.outbound.move(held, status)
        assert moved is not None
        await store.tickets.show_acknowledgements([moved])


def test_they_are_listed_by_state_and_a_ticket_tells_the_reason(cli: Line) -> None:
    cli.store(lambda store: keep(store, State.UNKNOWN, State.SUPPRESSED, State.PENDING))
    answer = cli.here("acknowledgements", "list", "-o", "json")
    assert sorted(one["state"] for one in json.loads(answer.out)) == ["pending", "suppressed", "unknown"]
    (unknown,) = json.loads(cli.here("acknowledgements", "list", "--state", "unknown", "-o", "json").out)
    assert (unknown["number"], unknown["code"]) == ("INC-000001", "no_reply")
    shown = cli.here("acknowledgements", "show", "INC-000002")
    assert "not_addressed" in shown.out and "neither in To nor in Cc" in shown.out
    assert "neither in To nor in Cc" in cli.here("tickets", "show", "INC-000002").out


def test_an_unknown_one_is_sent_again_only_when_somebody_says_so_and_that_is_audited(cli: Line) -> None:
    cli.store(lambda store: keep(store, State.UNKNOWN))
    refused = cli("acknowledgements", "retry", "INC-000001")
    assert refused.code == 1 and "twice" in refused.errors[0] and "--yes" in refused.errors[0]
    assert cli.here("acknowledgements", "retry", "INC-000001", "--yes").code == 0
    assert json.loads(cli.here("acknowledgements", "show", "INC-000001", "-o", "json").out)["state"] == "pending"
    assert (
        json.loads(cli.here("tickets", "show", "INC-000001", "-o", "json").out)["acknowledgement"]["code"] == "retried"
    )
    (record,) = cli.store(lambda store: store.audit.page(kind="Acknowledgement"))
    assert (record.action, record.name, record.old) == ("retry", "INC-000001", {"state": "unknown"})
    again = cli.here("acknowledgements", "retry", "INC-000001", "--yes")
    assert again.code == 1 and "pending" in again.errors[0]


def test_what_was_sent_or_suppressed_is_not_sent_again(cli: Line) -> None:
    cli.store(lambda store: keep(store, State.SENT, State.SUPPRESSED))
    for number in ("INC-000001", "INC-000002"):
        assert cli.here("acknowledgements", "retry", number, "--yes").code == 1
    assert cli.here("acknowledgements", "show", "INC-000009").code == 3


def test_a_preview_shows_what_would_be_sent_and_why_nothing_would(cli: Line) -> None:
    cli.store(lambda store: keep(store, State.PENDING, State.SUPPRESSED))
    sample = json.loads(cli.here("mailbox", "preview-acknowledgement", "support", "-o", "json").out)
    assert sample["sent"] and "INC-000000 #" in sample["subject"] and "Auto-Submitted: auto-replied" in sample["raw"]
    real = cli.here("mailbox", "preview-acknowledgement", "support", "--ticket", "INC-000001")
    assert "To: alice@example.org" in real.out and "We opened INC-000001" in real.out
    none = cli.here("mailbox", "preview-acknowledgement", "support", "--ticket", "INC-000002")
    assert none.code == 0 and "not_addressed" in none.out
