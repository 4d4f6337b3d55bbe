"""Hostile inputs, row 85: a ledger edited by hand. Rows 82 to 84 and 86 are marked where they are proven."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest

from services.console.books import balance
from services.console.facts import read_facts
from shared.broker.client import Broker
from shared.contracts.events import mail_rejected
from shared.domain.decision import Kind
from shared.domain.ledger import DecisionWrite, Failure, Headline, State
from shared.observability.metrics import Metrics
from shared.store.client import Store
from shared.store.collection import UNTOLD, changed
from shared.store.mail_search import Wanted
from shared.store.upgrade import upgrade
from tests.support import builders
from tests.support.bookkeeping import bookkeeper
from tests.support.embedded_store import FakeClock

ILLEGAL: list[dict[str, Any]] = [
    {"state": "banana"},
    {"state": None},
    {"decision": {"kind": "ticket"}},
    {"attempts": "many"},
    {"origin": "nowhere"},
    {"headline": []},
]


@pytest.mark.parametrize("edit", ILLEGAL, ids=str)
async def test_row_85_an_entry_that_can_be_none_is_told_of_and_holds_up_no_other(
    store: Store, clock: FakeClock, edit: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    await store.ledger.insert_many([builders.entry("edited", uid=1), builders.entry("other", uid=2)])
    assert await store.collection("mails").update({"_id": "edited"}, changed(edit))
    assert await store.ledger.get("edited") is None
    assert set(await store.ledger.get_many(["edited", "other"])) == {"other"}
    later = clock.now() + timedelta(days=400)
    assert {one.mail_id for one in await store.ledger.due(later, later, 10)} == {"other"}
    await store.ledger.mark_done(["edited"])
    (document,) = await store.collection("mails").find({"_id": "edited"})
    assert document["state"] != State.DONE.value, "only a decided mail can be done"
    assert "ledger_entry_unreadable" in capsys.readouterr().out


async def _one_edited(store: Store, edit: Mapping[str, Any], *names: str) -> None:
    """Rejected mails that owe their event, of which "edited" is then edited to what no entry can be."""
    alike = Headline(message_id="<same@x>", subject="The printer")
    await store.ledger.insert_many([builders.entry(one, uid=n, headline=alike) for n, one in enumerate(names, start=1)])
    verdict = builders.decision()
    events = {one: (mail_rejected(one, "support", None, builders.AT, verdict),) for one in names}
    writes = [DecisionWrite(mail_id=one, decision=verdict, trace=(), outbox=events[one]) for one in names]
    await store.ledger.decide_many(writes)
    assert await store.collection("mails").update({"_id": "edited"}, changed(edit))


@pytest.mark.parametrize("edit", ILLEGAL, ids=str)
async def test_row_85_searches_leave_it_out(
    store: Store, edit: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    await _one_edited(store, edit, "edited", "other")
    for wanted in (Wanted(), Wanted(subject="printer"), Wanted(mailbox="support")):
        assert [one.mail_id for one in (await store.mail_search.find(wanted)).entries] == ["other"]
    assert (await store.mail_search.find(Wanted(mail_id="edited"))).entries == ()
    assert "ledger_entry_unreadable" in capsys.readouterr().out


@pytest.mark.parametrize("edit", [{"state": "banana"}, {"decision": {"kind": "rejected", "decided_at": 7}}], ids=str)
async def test_row_85_who_refers_to_it_finds_the_others(
    store: Store, edit: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    await _one_edited(store, edit, "edited", "other")
    for asked in (["<same@x>"], ["<same@x>", "<else@x>"]):
        assert [one.mail_id for one in await store.ledger.of_message_ids(asked)] == ["other"]
    assert "ledger_entry_unreadable" in capsys.readouterr().out


@pytest.mark.parametrize("edit", [*ILLEGAL[:2], *ILLEGAL[3:]], ids=str)
async def test_row_85_the_streams_by_time_go_on_behind_it(
    store: Store, clock: FakeClock, edit: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    early = clock.now() - timedelta(days=4000)
    await _one_edited(store, edit, "edited", "other")
    found = [one.mail_id async for one in store.ledger.decided_since(Kind.REJECTED, early)]
    assert found == ["other"]
    await store.ledger.insert_many([builders.entry("held", uid=8), builders.entry("edited-too", uid=9)])
    for one in ("held", "edited-too"):
        failure = Failure(stage="filter", code="busy", what="busy", at=clock.now())
        assert await store.ledger.quarantine(one, failure)
    assert await store.collection("mails").update({"_id": "edited-too"}, changed({"headline": []}))
    assert [one.mail_id async for one in store.ledger.quarantined_since(early)] == ["held"]
    assert "edited-too" in capsys.readouterr().out


async def test_row_85_an_upgrade_passes_it_by(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    await _one_edited(store, {"attempts": "many"}, "edited", "other")
    mails = store.collection("mails")
    await mails.update_all({"_id": {"$in": ["edited", "other"]}}, changed({}, unset={"seek": ""}))
    assert await upgrade(store) == 1
    assert {one.mail_id for one in (await store.mail_search.find(Wanted())).entries} == {"other"}
    assert "ledger_entry_unreadable" in capsys.readouterr().out


@pytest.mark.parametrize("edit", ILLEGAL, ids=str)
async def test_row_85_the_audit_and_the_books_show_it(
    store: Store, broker: Broker, clock: FakeClock, metrics: Metrics, edit: dict[str, Any]
) -> None:
    await _one_edited(store, edit, "edited", "other")
    result = balance(await read_facts(store))
    (finding,) = result.findings
    mailbox = UNTOLD if "origin" in edit else "support"
    assert (finding.code, finding.subject, finding.mailbox) == ("ledger_entry_unreadable", "edited", mailbox)
    assert (result.total.unaccounted, result.total.rejected, result.balanced) == (1, 1, False)
    await bookkeeper(store, broker, clock, metrics).measure()
    labels = {"mailbox": mailbox, "outcome": "unaccounted"}
    assert metrics.registry.get_sample_value("mail_automator_books_mails", labels) == 1


async def test_row_85_many_of_them_do_not_keep_the_bookkeeper_from_what_is_due(store: Store, clock: FakeClock) -> None:
    """Though they are due the longest, and more than it takes in one look."""
    names = [f"edited{count}" for count in range(25)]
    await store.ledger.insert_many([builders.entry(one, uid=uid) for uid, one in enumerate(names, start=1)])
    for one in names:
        assert await store.collection("mails").update({"_id": one}, changed({"attempts": "many"}))
    await store.ledger.insert_many([builders.entry("retried"), builders.entry("stalled", uid=99)])
    failure = Failure(stage="filter", code="busy", what="busy", at=clock.now())
    later = clock.now() + timedelta(days=400)
    await store.ledger.defer("retried", failure, later)
    assert [one.mail_id for one in await store.ledger.due(later, later, 3)] == ["retried", "stalled"]
    oldest = await store.ledger.oldest_in_flight()
    assert oldest is not None and oldest.mail_id in ("retried", "stalled")


async def test_row_85_what_an_illegal_outbox_owes_holds_up_no_other_event(store: Store, clock: FakeClock) -> None:
    await _one_edited(store, {"outbox": [{"type": 7}]}, "edited", "other")
    later = clock.now() + timedelta(days=400)
    assert [mail_id for mail_id, _ in await store.ledger.pending_outbox(later, 1)] == ["other"]
