"""Quarantine, replay and discard over the API: the same moves as on the command line, audited."""

import pytest
import pytest_asyncio

from shared.domain.access import Role
from shared.domain.decision import Kind, Reason
from shared.domain.ledger import DecisionWrite, Failure, State
from tests.support import builders
from tests.support.mails import mail

WHY = {"why": "The partner is welcome."}


@pytest_asyncio.fixture
async def books(api):
    """A rejected mail that today's rules let pass, one in quarantine, and a ticket."""
    store = api.store
    await store.mailboxes.put(builders.mailbox(), {})
    await store.ledger.insert_many([builders.entry(one, uid=uid) for uid, one in enumerate(("no", "sick", "yes"), 1)])
    await store.raw.put_many({"no": mail(), "sick": mail()})
    ticket = builders.decision(kind=Kind.TICKET, reason=Reason.TICKET_CREATED, ticket_id="t", number="INC-000001")
    decisions = {"no": builders.decision(), "yes": ticket}
    await store.ledger.decide_many(
        [DecisionWrite(mail_id=one, decision=what, trace=()) for one, what in decisions.items()]
    )
    await store.ledger.mark_done(decisions)
    await store.ledger.quarantine("sick", Failure(stage="filter", code="busy", what="busy", at=builders.AT))
    return api


async def test_the_quarantine_is_listed_with_its_causes(books):
    answer = (await books("GET", "/quarantine", Role.OPERATOR)).json()
    assert [(one["mailId"], one["code"]) for one in answer["items"]] == [("sick", "busy")]
    assert [(one["stage"], one["code"], one["mails"]) for one in answer["causes"]] == [("filter", "busy", 1)]
    assert (await books("GET", "/quarantine?code=other")).json()["items"] == []


async def test_a_dry_run_says_what_would_change_and_changes_nothing(books):
    answer = (await books("POST", "/mails/no/replay", Role.OPERATOR, json={**WHY, "dryRun": True})).json()
    (change,) = answer["changes"]
    assert (change["before"], change["beforeReason"], change["now"]) == ("rejected", "blocked_sender", "ticket")
    assert answer["replayed"] == []
    entry = await books.store.ledger.get("no")
    assert entry.state is State.DONE and await books.store.audit.page(kind="Mail") == ()


async def test_a_rejected_mail_is_sent_again_by_name_and_the_trace_names_the_token(books):
    answer = await books("POST", "/mails/no/replay", Role.OPERATOR, json=WHY)
    assert (answer.status_code, answer.json()["replayed"]) == (200, ["no"])
    entry = await books.store.ledger.get("no")
    assert (entry.state, entry.version) == (State.STORED, 2)
    (record,) = await books.store.audit.page(kind="Mail", name="no")
    assert record.action == "replay" and record.who.startswith("token operator")
    timeline = (await books("GET", "/mails/no")).json()["timeline"]
    assert "The partner is welcome." in next(one for one in timeline if one["step"] == "replayed")["sentence"]


async def test_several_are_sent_again_by_filter(books):
    wanted = {**WHY, "mailbox": "support", "reason": "blocked_sender", "since": "2020-01-01T00:00:00Z"}
    assert (await books("POST", "/replays", json={**wanted, "dryRun": True})).json()["counts"] == {"ticket": 1}
    assert (await books("POST", "/replays", json={**wanted, "until": "2020-01-02T00:00:00Z"})).json()["examined"] == 0
    assert (await books("POST", "/replays", json=wanted)).json()["replayed"] == ["no"]
    assert (await books("POST", "/replays", json={**WHY, "quarantined": True})).json()["replayed"] == ["sick"]


@pytest.mark.parametrize(
    ("mail_id", "status", "code"), [("yes", 409, "not_replayable"), ("nobody", 404, "unknown_mail")]
)
async def test_what_cannot_be_sent_again_is_refused_with_a_code(books, mail_id, status, code):
    answer = await books("POST", f"/mails/{mail_id}/replay", json=WHY)
    assert (answer.status_code, answer.json()["code"]) == (status, code)


async def test_a_mail_is_discarded_with_a_reason_once(books):
    answer = await books("POST", "/mails/sick/discard", Role.OPERATOR, json={"reason": "A test."})
    assert (answer.status_code, answer.json()) == (200, {"discarded": ["sick"]})
    entry = await books.store.ledger.get("sick")
    assert entry.decision.reason is Reason.DISCARDED and "A test." in entry.decision.sentence
    assert (await books("POST", "/mails/sick/discard", json={"reason": "A test."})).status_code == 409


@pytest.mark.parametrize("body", [{}, {"why": ""}, {"why": "a\nb"}, {"why": "x" * 501}, {"why": "x", "all": True}])
async def test_an_order_needs_a_reason_of_one_line(books, body):
    assert (await books("POST", "/mails/no/replay", json=body)).status_code == 422
