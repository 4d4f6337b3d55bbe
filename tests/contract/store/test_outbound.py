"""Acknowledgements in the store: one per ticket, moved only by whoever holds it, never lost and never sent twice."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from shared.domain.outbound import Outbound
from shared.domain.ticket import Acknowledgement
from shared.domain.ticket import AcknowledgementState as State
from shared.store.client import Store
from tests.contract.store.test_runtime import eventually
from tests.support.builders import AT

TTL, MOMENT = timedelta(seconds=30), timedelta(milliseconds=30)


def owed(n: int = 1, state: State = State.PENDING, **changes: Any) -> Outbound:
    fields: dict[str, Any] = {
        "ticket_id": f"t{n}",
        "number": f"INC-{n:06d}",
        "mailbox": "support",
        "status": Acknowledgement(state=state, at=AT),
        "since": AT + timedelta(seconds=n),
        "taken_at": AT,
    }
    return Outbound(**{**fields, **changes})


def said(state: State, code: str = "") -> Acknowledgement:
    return Acknowledgement(state=state, code=code, sentence="Because.", at=AT)


async def begun(store: Store, ttl: timedelta = TTL) -> Outbound:
    """One whose final dot may be on its way."""
    await store.outbound.insert_many([owed()])
    claimed = await store.outbound.claim(owed(), "one", ttl)
    assert claimed is not None
    moved = await store.outbound.move(claimed, said(State.DATA_STARTED))
    assert moved is not None
    return moved


async def test_what_is_there_already_stays_as_it_is(store: Store) -> None:
    assert await store.outbound.insert_many([owed()]) == (owed(),)
    claimed = await store.outbound.claim(owed(), "one", TTL)
    assert await store.outbound.insert_many([owed(), owed(2)]) == (owed(2),)
    assert await store.outbound.get("t1") == claimed
    assert await store.outbound.get("t3") is None


async def test_the_longest_due_comes_first_and_mailboxes_can_be_left_out(store: Store) -> None:
    mails = [owed(3), owed(1), owed(2, mailbox="hr"), owed(4, State.SUPPRESSED)]
    await store.outbound.insert_many([one.model_copy(update={"taken_at": one.since}) for one in mails])
    assert [one.ticket_id for one in await store.outbound.due(10)] == ["t1", "t2", "t3"]
    assert [one.ticket_id for one in await store.outbound.due(1)] == ["t1"]
    assert [one.ticket_id for one in await store.outbound.due(10, ["support", "it"])] == ["t2"]


async def test_of_many_workers_exactly_one_gets_it(store: Store) -> None:
    await store.outbound.insert_many([owed()])
    claims = await asyncio.gather(*(store.outbound.claim(owed(), f"w{n}", TTL) for n in range(8)))
    (claimed,) = [one for one in claims if one is not None]
    assert (claimed.state, claimed.turn) == (State.CLAIMED, 1)
    assert await store.outbound.due(10) == ()


async def test_a_claim_that_ran_out_goes_back_once_and_its_worker_can_send_no_more(store: Store) -> None:
    await store.outbound.insert_many([owed()])
    old = await store.outbound.claim(owed(), "one", MOMENT)
    assert old is not None
    (lost,) = await eventually(lambda: _some(store))
    back = await asyncio.gather(*(store.outbound.take_back(lost, said(State.PENDING)) for _ in range(4)))
    assert sum(one is not None for one in back) == 1
    assert await store.outbound.move(old, said(State.DATA_STARTED)) is None
    (again,) = await store.outbound.due(10)
    taken = await store.outbound.claim(again, "two", TTL)
    assert taken is not None and taken.turn == 2
    assert await store.outbound.move(old, said(State.DATA_STARTED)) is None
    assert await store.outbound.move(old, said(State.SENT)) is None
    assert await store.outbound.get("t1") == taken


async def test_a_claim_that_is_renewed_is_not_taken_back(store: Store) -> None:
    await store.outbound.insert_many([owed()])
    held = await store.outbound.claim(owed(), "one", MOMENT)
    assert held is not None
    (lost,) = await eventually(lambda: _some(store))
    assert await store.outbound.renew(held, TTL)
    assert await store.outbound.take_back(lost, said(State.PENDING)) is None
    assert await store.outbound.expired(10) == ()
    assert await store.outbound.move(held, said(State.DATA_STARTED)) is not None


async def test_what_may_have_been_sent_is_renewed_too_and_is_nobodys_to_claim(store: Store) -> None:
    moved = await begun(store, MOMENT)
    await eventually(lambda: _some(store))
    assert await store.outbound.renew(moved, TTL)
    assert await store.outbound.expired(10) == ()
    assert await store.outbound.due(10) == ()
    assert await store.outbound.claim(owed(), "two", TTL) is None


async def test_one_called_unknown_too_early_is_settled_by_whoever_sent_it(store: Store) -> None:
    moved = await begun(store, MOMENT)
    (lost,) = await eventually(lambda: _some(store))
    assert await store.outbound.take_back(lost, said(State.UNKNOWN, "service_killed")) is not None
    sent = await store.outbound.move(moved, said(State.SENT))
    assert sent is not None and await store.outbound.get("t1") == sent


async def test_one_that_a_person_sent_again_is_not_settled_by_its_former_worker(store: Store) -> None:
    moved = await begun(store, MOMENT)
    (lost,) = await eventually(lambda: _some(store))
    unknown = await store.outbound.take_back(lost, said(State.UNKNOWN))
    assert unknown is not None
    again = await store.outbound.retry(unknown, said(State.PENDING, "retried"))
    assert again is not None and await store.outbound.retry(unknown, said(State.PENDING)) is None
    assert await store.outbound.move(moved, said(State.SENT)) is None
    (due,) = await store.outbound.due(10)
    assert (due.attempts, due.status.code) == (0, "retried")


@pytest.mark.parametrize("state", [State.SENT, State.FAILED, State.UNKNOWN, State.SUPPRESSED])
async def test_an_end_is_an_end(store: Store, state: State) -> None:
    moved = await begun(store, MOMENT)
    done = await store.outbound.move(moved, said(state))
    assert done is not None and done.claim is None
    assert not await store.outbound.renew(moved, TTL)
    assert (await store.outbound.due(10), await store.outbound.expired(10)) == ((), ())


async def test_a_server_clock_that_is_set_right_again_keeps_nothing_waiting_that_is_due_at_once(store: Store) -> None:
    """It was an hour ahead when the acknowledgement came; the notifier's own clock was not."""
    ahead = await store.server_time() + timedelta(hours=1)
    await store.outbound.insert_many([owed(since=ahead)])
    assert [one.ticket_id for one in await store.outbound.due(10)] == ["t1"]


async def test_one_that_was_put_off_is_due_at_its_time_and_not_before(store: Store) -> None:
    moved = await begun(store)
    now = await store.server_time()
    put_off = await store.outbound.move(moved, said(State.PENDING), due_at=now + TTL, attempts=1)
    assert put_off is not None and put_off.attempts == 1
    assert await store.outbound.due(10) == ()
    claimed = await store.outbound.claim(put_off, "one", TTL)
    assert claimed is not None
    await store.outbound.move(claimed, said(State.PENDING), due_at=now)
    assert [one.attempts for one in await store.outbound.due(10)] == [1]


async def test_what_the_ticket_does_not_show_yet_stays_to_be_shown(store: Store) -> None:
    await store.outbound.insert_many([owed()])
    assert await store.outbound.to_show(10) == (owed(),)
    claimed = await store.outbound.claim(owed(), "one", TTL)
    assert claimed is not None
    await store.outbound.shown([owed()])
    assert await store.outbound.to_show(10) == (claimed,)
    await store.outbound.shown([claimed])
    assert await store.outbound.to_show(10) == ()


async def test_states_are_counted_and_the_newest_listed(store: Store) -> None:
    await store.outbound.insert_many([owed(1), owed(2), owed(3, State.SUPPRESSED), owed(4, mailbox="hr")])
    assert await store.outbound.count_by_state() == {"pending": 3, "suppressed": 1}
    assert await store.outbound.oldest_pending() == AT + timedelta(seconds=1)
    assert [one.ticket_id for one in await store.outbound.newest(limit=2)] == ["t4", "t3"]
    assert [one.ticket_id for one in await store.outbound.newest(State.SUPPRESSED)] == ["t3"]
    assert [one.ticket_id for one in await store.outbound.newest(mailbox="hr")] == ["t4"]


async def _some(store: Store) -> tuple[Outbound, ...] | None:
    return await store.outbound.expired(10) or None


async def test_what_the_server_put_off_for_years_while_its_clock_was_ahead_is_looked_at_now(store: Store) -> None:
    ten_years = timedelta(days=3652)
    await store.outbound.insert_many([owed(1), owed(2, since=AT + ten_years)])
    claimed = await store.outbound.claim(owed(1), "gone", ten_years)
    assert claimed is not None
    assert await store.outbound.expired(10) == (claimed,)
    assert [one.ticket_id for one in await store.outbound.due(10)] == ["t2"]
