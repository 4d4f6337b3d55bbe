"""Law of the ledger: one final decision per mail, whoever races for it, and every move from a legal state only."""

import asyncio
from datetime import timedelta

import pytest
from motor.motor_asyncio import AsyncIOMotorClient

from shared.domain.decision import Decision, Kind, Reason, Step, Verdict
from shared.domain.email import Headline
from shared.domain.ledger import DecisionWrite, Failure, Replay, State
from shared.domain.ticket import OutboxEvent
from shared.store.client import Store
from shared.store.mail_search import Wanted
from shared.store.seek import Span
from shared.store.settings import StoreSettings
from tests.support.builders import AT, decision, entry
from tests.support.embedded_store import FakeClock

STEP = Step(stage="filter", rule="blocked_sender", verdict=Verdict.REJECTED, sentence="No.", looked_at={"a.b": "$c"})
FAILURE = Failure(stage="filter", code="parser_died", what="the parser died", at=AT)
EVENT = OutboxEvent(event_id="e1", type="t.v1", routing_key="mail.rejected.x", event={"id": "e1", "data": {"n": None}})


def ticket(number: str) -> Decision:
    return decision(kind=Kind.TICKET, reason=Reason.TICKET_CREATED, ticket_id=f"t-{number}", number=number)


def write(mail_id: str, verdict: Decision | None = None, *, events: tuple[OutboxEvent, ...] = ()) -> DecisionWrite:
    return DecisionWrite(mail_id=mail_id, decision=verdict or decision(), trace=(STEP,), outbox=events)


async def test_an_entry_comes_back_as_it_was_entered(store: Store) -> None:
    given = entry("m1", headline=Headline(message_id="a@b", sender="x@y.example", subject="Grüße \x00 ✓"))
    assert await store.ledger.insert_many([given]) == {"m1"}
    assert await store.ledger.get("m1") == given


async def test_entering_a_mail_again_changes_nothing_and_names_only_the_new_ones(store: Store) -> None:
    await store.ledger.insert_many([entry("m1")])
    await store.ledger.decide_many([write("m1")])
    assert await store.ledger.insert_many([entry("m1"), entry("m2"), entry("m3")]) == {"m2", "m3"}
    found = await store.ledger.get_many(["m1", "m2", "m3", "nowhere"])
    assert {key: one.state for key, one in found.items()} == {
        "m1": State.DECIDED,
        "m2": State.STORED,
        "m3": State.STORED,
    }


async def test_two_fetchers_entering_the_same_mails_each_get_a_share_and_together_all(store: Store) -> None:
    batch = [entry(f"m{n}") for n in range(60)]
    shares = await asyncio.gather(*(store.ledger.insert_many(batch) for _ in range(4)))
    assert sorted(mail_id for share in shares for mail_id in share) == sorted(one.mail_id for one in batch)


async def test_mails_of_many_mailboxes_that_come_at_the_same_moment_are_told_apart(store: Store) -> None:
    """Entered and looked up together; each caller hears only of its own."""
    await store.ledger.insert_many([entry("m3"), entry("m40")])
    batches = [[f"m{number}" for number in range(at, at + 5)] for at in range(0, 200, 5)]
    new = await asyncio.gather(*(store.ledger.insert_many([entry(one) for one in ids]) for ids in batches))
    assert [sorted(one) for one in new] == [sorted(set(ids) - {"m3", "m40"}) for ids in batches]
    found = await asyncio.gather(*(store.ledger.get_many([*ids, "nowhere"]) for ids in batches))
    assert [list(one) for one in found] == batches


async def test_of_many_writers_that_decide_the_same_mails_one_wins_each_and_all_are_told_who(store: Store) -> None:
    ids = [f"m{n}" for n in range(30)]
    await store.ledger.insert_many([entry(one) for one in ids])
    results = await asyncio.gather(
        *(store.ledger.decide_many([write(one, ticket(f"{writer}-{one}")) for one in ids]) for writer in range(6))
    )
    stored = await store.ledger.get_many(ids)
    for mail_id in ids:
        told = {result[mail_id].number for result in results}
        assert len(told) == 1
        winner = stored[mail_id].decision
        assert winner is not None and told == {winner.number}
        assert stored[mail_id].state is State.DECIDED


async def test_a_decision_keeps_its_trace_and_is_returned_as_it_will_be_read(store: Store) -> None:
    await store.ledger.insert_many([entry("m1")])
    wanted = ticket("INC-000001").model_copy(update={"decided_at": AT.replace(microsecond=123_456)})
    told = (await store.ledger.decide_many([write("m1", wanted)]))["m1"]
    found = await store.ledger.get("m1")
    assert found is not None and found.decision == told and found.trace == (STEP,)
    assert told.decided_at == AT.replace(microsecond=123_000)


async def test_deciding_an_unknown_or_quarantined_mail_decides_nothing(store: Store) -> None:
    await store.ledger.insert_many([entry("m1"), entry("m2")])
    assert await store.ledger.quarantine("m1", FAILURE)
    told = await store.ledger.decide_many([write("m1"), write("nowhere"), write("m2")])
    assert set(told) == {"m2"}
    found = await store.ledger.get("m1")
    assert found is not None and found.state is State.QUARANTINED and found.decision is None


async def test_only_a_decided_mail_can_be_done(store: Store) -> None:
    await store.ledger.insert_many([entry("m1"), entry("m2")])
    await store.ledger.decide_many([write("m1")])
    await store.ledger.mark_done(["m1", "m2", "nowhere"])
    found = await store.ledger.get_many(["m1", "m2"])
    assert (found["m1"].state, found["m2"].state) == (State.DONE, State.STORED)


async def test_a_done_mail_can_be_neither_deferred_nor_quarantined_nor_replayed(store: Store, clock: FakeClock) -> None:
    await store.ledger.insert_many([entry("m1")])
    await store.ledger.decide_many([write("m1")])
    await store.ledger.mark_done(["m1"])
    before = await store.ledger.get("m1")
    assert await store.ledger.defer("m1", FAILURE, clock.now()) == 0
    assert not await store.ledger.quarantine("m1", FAILURE)
    assert not await store.ledger.replay("m1")
    assert await store.ledger.get("m1") == before


async def test_a_deferred_mail_counts_its_attempts_and_is_due_when_its_time_comes(
    store: Store, clock: FakeClock
) -> None:
    await store.ledger.insert_many([entry("m1")])
    later = clock.now() + timedelta(seconds=30)
    assert [await store.ledger.defer("m1", FAILURE, later) for _ in range(3)] == [1, 2, 3]
    found = await store.ledger.get("m1")
    assert found is not None
    assert (found.failure, found.next_attempt_at, found.state) == (FAILURE, later, State.STORED)
    long_after = clock.now() + timedelta(days=1)
    assert await store.ledger.due(later - timedelta(milliseconds=1), long_after, 10) == ()
    assert [one.mail_id for one in await store.ledger.due(later, long_after, 10)] == ["m1"]


async def test_due_is_what_is_in_flight_and_made_no_progress_and_nothing_else(store: Store, clock: FakeClock) -> None:
    await store.ledger.insert_many([entry(one) for one in ("stored", "decided", "done", "sick")])
    await store.ledger.decide_many([write("decided"), write("done")])
    await store.ledger.mark_done(["done"])
    await store.ledger.quarantine("sick", FAILURE)
    now = clock.now()
    due = await store.ledger.due(now, now, 10)
    assert {one.mail_id for one in due} == {"stored", "decided"}
    assert await store.ledger.due(now, now - timedelta(milliseconds=1), 10) == ()
    assert len(await store.ledger.due(now, now, 1)) == 1


async def test_a_due_mail_is_claimed_by_exactly_one_of_many(store: Store, clock: FakeClock) -> None:
    await store.ledger.insert_many([entry("m1")])
    (due,) = await store.ledger.due(clock.now(), clock.now(), 10)
    now = clock.advance(seconds=60)
    claims = await asyncio.gather(*(store.ledger.claim(due, now) for _ in range(8)))
    assert sum(claims) == 1
    found = await store.ledger.get("m1")
    assert found is not None and found.progress_at == now


async def test_what_a_clock_that_was_ahead_put_off_for_years_is_due_once_the_clock_is_right(
    store: Store, clock: FakeClock
) -> None:
    """And once only: its claim sets it right."""
    right, ten_years = clock.now(), timedelta(days=3652)
    clock.advance(seconds=ten_years.total_seconds())
    await store.ledger.insert_many([entry("stalled", progress_at=clock.now()), entry("deferred"), entry("owing")])
    await store.ledger.defer("deferred", FAILURE, clock.now())
    await store.ledger.decide_many([write("owing", events=(EVENT,))])
    due = await store.ledger.due(right, right, 10)
    assert {one.mail_id for one in due} == {"stalled", "deferred", "owing"}
    assert await store.ledger.pending_outbox(right, 10) == (("owing", EVENT),)
    assert all([await store.ledger.claim(one, right) for one in due])
    assert await store.ledger.due(right, right - timedelta(milliseconds=1), 10) == ()


async def test_a_mail_that_moved_on_cannot_be_claimed(store: Store, clock: FakeClock) -> None:
    await store.ledger.insert_many([entry("m1")])
    (due,) = await store.ledger.due(clock.now(), clock.now(), 10)
    await store.ledger.decide_many([write("m1")])
    await store.ledger.mark_done(["m1"])
    assert not await store.ledger.claim(due, clock.now())
    assert await store.ledger.due(clock.now(), clock.now(), 10) == ()


async def test_a_replayed_mail_starts_over_and_is_due_at_once(store: Store, clock: FakeClock) -> None:
    await store.ledger.insert_many([entry("m1")])
    await store.ledger.defer("m1", FAILURE, clock.now())
    await store.ledger.quarantine("m1", FAILURE)
    assert await store.ledger.due(clock.now(), clock.now(), 10) == ()
    assert await store.ledger.replay("m1")
    found = await store.ledger.get("m1")
    assert found is not None and (found.state, found.attempts, found.failure) == (State.STORED, 0, None)
    long_ago = clock.now() - timedelta(days=1)
    assert [one.mail_id for one in await store.ledger.due(clock.now(), long_ago, 10)] == ["m1"]


async def test_a_mail_quarantined_after_its_decision_keeps_it_through_a_replay(store: Store) -> None:
    await store.ledger.insert_many([entry("m1")])
    await store.ledger.decide_many([write("m1", ticket("INC-000001"))])
    await store.ledger.quarantine("m1", FAILURE)
    await store.ledger.replay("m1")
    told = await store.ledger.decide_many([write("m1", ticket("INC-000002"))])
    assert told["m1"].number == "INC-000001"
    await store.ledger.mark_done(["m1"])
    found = await store.ledger.get("m1")
    assert found is not None and found.state is State.DONE


async def test_events_are_owed_until_the_mail_is_done(store: Store, clock: FakeClock) -> None:
    await store.ledger.insert_many([entry("m1"), entry("m2")])
    await store.ledger.decide_many([write("m1", events=(EVENT,)), write("m2")])
    assert await store.ledger.pending_outbox(clock.now(), 10) == (("m1", EVENT),)
    assert await store.ledger.pending_outbox(clock.now() - timedelta(milliseconds=1), 10) == ()
    await store.ledger.mark_done(["m1", "m2"])
    assert await store.ledger.pending_outbox(clock.now(), 10) == ()


async def test_the_event_of_a_quarantined_mail_is_owed_until_it_is_published(store: Store, clock: FakeClock) -> None:
    await store.ledger.insert_many([entry("m1")])
    await store.ledger.quarantine("m1", FAILURE, EVENT)
    assert await store.ledger.pending_outbox(clock.now(), 10) == (("m1", EVENT),)
    await store.ledger.mark_done(["m1"])
    found = await store.ledger.get("m1")
    assert await store.ledger.pending_outbox(clock.now(), 10) == ()
    assert found is not None and found.state is State.QUARANTINED


@pytest.mark.parametrize(
    "wanted",
    [
        {"message_id": "two@b"},
        {"sender": "Bob@B.example"},
        {"ticket_id": "t-INC-000002"},
        {"number": "INC-000002"},
        {"mail_id": "m2"},
        {"subject": "printer (2nd"},
        {"subject": "PRINTER", "sender": "bob@b.example"},
    ],
)
async def test_a_mail_is_found_by(store: Store, wanted: dict[str, str]) -> None:
    one = Headline(message_id="one@b", sender="amy@b.example", subject="Printer on fire")
    two = Headline(message_id="two@b", sender="bob@b.example", subject="The Printer (2nd floor)")
    await store.ledger.insert_many([entry("m1", headline=one), entry("m2", headline=two)])
    await store.ledger.decide_many([write("m1", ticket("INC-000001")), write("m2", ticket("INC-000002"))])
    found = await store.mail_search.find(Wanted(**wanted))
    assert [one.mail_id for one in found.entries] == ["m2"]


async def test_the_newest_mails_come_first_and_only_as_many_as_asked_for(store: Store) -> None:
    await store.ledger.insert_many(
        [
            entry(f"m{n}", mailbox_name="even" if n % 2 == 0 else "odd", stored_at=AT + timedelta(milliseconds=n))
            for n in (3, 0, 2, 4, 1)
        ]
    )
    assert [one.mail_id for one in await store.ledger.recent(None, 3)] == ["m4", "m3", "m2"]
    assert [one.mail_id for one in await store.ledger.recent("odd", 3)] == ["m3", "m1"]
    assert [one.mail_id for one in (await store.mail_search.find(Wanted(), 2)).entries] == ["m4", "m3"]


async def test_the_outcomes_are_counted_by_mailbox(store: Store) -> None:
    assert await store.ledger.count_by_outcome() == {}
    await store.ledger.insert_many([entry(f"a{n}", mailbox_name="a") for n in range(6)])
    await store.ledger.insert_many([entry(f"b{n}", mailbox_name="b") for n in range(2)])
    await store.ledger.decide_many(
        [write("a0", ticket("1")), write("a1", ticket("2")), write("a2"), write("b0", ticket("3"))]
    )
    await store.ledger.mark_done(["a0", "a2"])
    await store.ledger.quarantine("a3", FAILURE)
    await store.ledger.quarantine("a4", FAILURE)
    await store.ledger.replay("a4")
    assert await store.ledger.count_by_outcome() == {
        "a": {"ticket": 2, "rejected": 1, "quarantined": 1, "in_flight": 2},
        "b": {"ticket": 1, "in_flight": 1},
    }


async def test_a_count_of_many_is_the_sum_of_several_questions(store: Store, clock: FakeClock) -> None:
    for number in range(8):
        await store.ledger.insert_many([entry(f"m{number}", mailbox_name=f"box-{number % 2}", stored_at=clock.now())])
        clock.advance(seconds=1)
    span = Span(clock.now() - timedelta(seconds=6))
    told, left = list[int](), span
    while not told or left.since is not None:
        part = await store.ledger.count_next(left, 2)
        told.append(sum(row.total() for row in part.rows.values()))
        left = Span(part.until)
    assert told == [2, 2, 2]
    assert await store.ledger.count_by_outcome(span) == {"box-0": {"in_flight": 3}, "box-1": {"in_flight": 3}}


async def test_a_mail_of_a_version_without_keys_is_counted_with_all(store: Store) -> None:
    await store.ledger.insert_many([entry("old"), entry("new")])
    await store.collection("mails").update({"_id": "old"}, {"$unset": {"seek": ""}})
    assert await store.ledger.count_by_outcome() == {"support": {"in_flight": 2}}


async def test_the_audit_sees_every_mail_once(store: Store) -> None:
    ids = [f"m{n}" for n in range(2500)]
    for start in range(0, 2500, 500):
        await store.ledger.insert_many([entry(one) for one in ids[start : start + 500]])
    await store.ledger.insert_many([entry("other", mailbox_name="other")])
    await store.ledger.decide_many([write("m7", ticket("INC-000007"))])
    rows = [row async for row in store.ledger.iter_all("support")]
    assert sorted(row.mail_id for row in rows) == sorted(ids)
    (seventh,) = [row for row in rows if row.mail_id == "m7"]
    assert (seventh.state, seventh.kind, seventh.ticket_id) == (State.DECIDED, Kind.TICKET, "t-INC-000007")
    assert len([row async for row in store.ledger.iter_all()]) == 2501


async def test_mails_are_found_by_the_message_ids_that_others_refer_to(store: Store) -> None:
    entries = [
        entry(f"m{n}", headline=Headline(message_id=f"<{n // 2}@x>"), stored_at=AT + timedelta(seconds=n))
        for n in range(6)
    ]
    await store.ledger.insert_many(entries)
    await store.ledger.decide_many([DecisionWrite(mail_id="m1", decision=decision(), trace=())])
    found = await store.ledger.of_message_ids(["<0@x>", "<2@x>", "<9@x>"])
    assert [one.mail_id for one in found] == ["m5", "m4", "m1", "m0"]
    assert (found[2].state, found[2].decision) == (State.DECIDED, decision())
    assert (found[3].mailbox, found[3].message_id, found[3].decision) == ("support", "<0@x>", None)
    assert await store.ledger.of_message_ids([]) == ()


async def test_an_id_that_thousands_of_mails_share_hides_no_other(store: Store) -> None:
    """Of such an id only the newest few are looked at."""
    for start in range(0, 2200, 550):
        await store.ledger.insert_many(
            [
                entry(f"m{n}", headline=Headline(message_id="<same@x>"), stored_at=AT + timedelta(seconds=n))
                for n in range(start, start + 550)
            ]
        )
    await store.ledger.insert_many([entry("other", headline=Headline(message_id="<other@x>"))])
    found = await store.ledger.of_message_ids(["<a@x>", "<same@x>", "<b@x>", "<other@x>"])
    assert "other" in {one.mail_id for one in found}
    assert {"m2199", "m2190"} <= {one.mail_id for one in found}
    assert len(found) < 100


async def test_an_entry_from_before_there_were_versions_is_decided_done_and_replayed_like_any_other(
    store: Store, store_settings: StoreSettings
) -> None:
    await store.ledger.insert_many([entry("m1")])
    client: AsyncIOMotorClient[dict[str, object]] = AsyncIOMotorClient(store_settings.url.get_secret_value())
    later = dict.fromkeys(("version", "history", "replay", "alone"), "")
    await client[store_settings.database]["mails"].update_one({"_id": "m1"}, {"$unset": later})
    client.close()
    assert await store.ledger.decide_many([write("m1")]) == {"m1": decision()}
    await store.ledger.mark_done(["m1"], 1)
    found = await store.ledger.get("m1")
    assert found is not None and (found.state, found.version, found.history) == (State.DONE, 1, ())
    assert await store.ledger.reopen(found, Replay(who="cli ada", why="A customer.", at=AT))
    found = await store.ledger.get("m1")
    assert found is not None and (found.state, found.version) == (State.STORED, 2)


async def test_a_discarded_mail_still_owes_the_event_of_its_quarantine(store: Store, clock: FakeClock) -> None:
    await store.ledger.insert_many([entry("m1")])
    quarantined = EVENT.model_copy(update={"event_id": "e0", "routing_key": "mail.quarantined.x"})
    assert await store.ledger.quarantine("m1", FAILURE, quarantined)
    assert await store.ledger.discard(write("m1", events=(EVENT,)))
    clock.advance(seconds=60)
    owed = await store.ledger.pending_outbox(clock.now(), 10)
    assert [event.event_id for _, event in owed] == ["e0", "e1"]


async def test_on_the_way_is_what_a_queue_or_a_stage_has(store: Store, clock: FakeClock) -> None:
    """Neither what is done, nor what is put off or in quarantine, nor what nobody knows."""
    await store.ledger.insert_many(
        [entry(one) for one in ("moving", "decided", "done", "put-off", "quarantined", "not-asked")]
    )
    await store.ledger.decide_many([write("decided"), write("done")])
    await store.ledger.mark_done(["done"])
    await store.ledger.defer("put-off", FAILURE, clock.now() + timedelta(hours=1))
    await store.ledger.quarantine("quarantined", FAILURE)
    asked = ("moving", "decided", "done", "put-off", "quarantined", "unknown")
    assert await store.ledger.on_the_way(asked) == {"moving", "decided"}
    assert await store.ledger.on_the_way(()) == frozenset()


async def test_a_walk_is_in_order_whole_and_within_its_ends_whatever_fits_in_a_page(store: Store) -> None:
    things = store.collection("walked")
    await things.insert_many([{"_id": f"{n:02d}", "at": {"key": f"k {9 - n}"}, "n": n} for n in range(9)])
    for page in (1, 4, 9, 10):
        found = [one async for one in things.walk("_id", "02", "07", only=("n",), batch=page)]
        assert found == [{"_id": f"{n:02d}", "n": n} for n in range(3, 7)]
        found = [one async for one in things.walk("at.key", "k 3", without=("_id",), batch=page)]
        assert [one["n"] for one in found] == [5, 4, 3, 2, 1, 0]
        found = [one async for one in things.walk("at.key", "k 3", only=("n",), batch=page)]
        assert [one["n"] for one in found] == [5, 4, 3, 2, 1, 0]
        assert [one["n"] async for one in things.stream({}, batch=page)] == list(range(9))
