"""Leases exclude, tokens fence, and a cursor is never moved by one who lost the lease."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import TypeVar, cast

import pytest

from shared.domain.mailbox_runtime import NOBODY, Cursor, MailboxStatus, Phase
from shared.runtime.clock import Clock
from shared.store.client import Store
from shared.store.collection import Collection, Database, changed
from shared.store.runtime import LONGEST, Runtime
from tests.support.builders import AT
from tests.support.memory_driver import MemoryDatabase, MemoryServer

TTL = timedelta(seconds=30)
MOMENT = timedelta(milliseconds=30)
T = TypeVar("T")


@pytest.fixture(params=["server", "memory"])
def store(store: Store, request: pytest.FixtureRequest) -> Store:
    """The real store; and the one of simulations, which must answer alike."""
    return store if request.param == "server" else cast(Store, MemoryStore())


class MemoryStore:
    """What is asked here of `Store`, in memory."""

    def __init__(self) -> None:
        self._database = cast(Database, MemoryDatabase(MemoryServer(), at_once))
        self.runtime = Runtime(self._database, self.server_time)

    def collection(self, name: str) -> Collection:
        return Collection(self._database, name)

    async def server_time(self) -> datetime:
        await asyncio.sleep(0.002)  # no server answers twice within the millisecond that a time is kept to
        return Clock().now()


async def at_once(work: Callable[[], tuple[T, int]]) -> T:
    """A way that takes a turn of the loop, so that racers meet."""
    await asyncio.sleep(0)
    return work()[0]


async def eventually(ask: Callable[[], Awaitable[T | None]], seconds: float = 5) -> T:
    """The first answer that is not None; asks the server again, because only its clock counts here."""
    async with asyncio.timeout(seconds):
        while (answer := await ask()) is None:
            await asyncio.sleep(0.005)
    return answer


async def test_of_many_fetchers_exactly_one_gets_the_lease(store: Store) -> None:
    leases = await asyncio.gather(*(store.runtime.acquire("support", f"f{n}", TTL) for n in range(8)))
    (lease,) = [one for one in leases if one is not None]
    assert lease.token == 1
    assert await store.runtime.leases() == {"support": lease}


async def test_several_leases_are_granted_at_once_and_who_has_the_others_is_told(store: Store) -> None:
    mine, theirs = await store.runtime.acquire("mine", "one", TTL), await store.runtime.acquire("theirs", "two", TTL)
    assert mine is not None and theirs is not None
    free = await store.runtime.acquire("free", "two", TTL)
    assert free is not None
    await store.runtime.release("free", free)
    granted, others = await store.runtime.acquire_many(["theirs", "free", "mine", "new", "spare"], "one", TTL, 3)
    assert {name: lease.token for name, lease in granted.items()} == {"free": free.token + 1, "mine": 1, "new": 1}
    assert others["theirs"] == theirs and others["spare"].holder == NOBODY
    assert await store.runtime.leases() == {**granted, "theirs": theirs}


async def test_of_many_who_ask_for_several_at_once_each_mailbox_goes_to_one(store: Store) -> None:
    names = [f"box-{number}" for number in range(20)]
    asked = await asyncio.gather(*(store.runtime.acquire_many(names, f"f{n}", TTL, 20) for n in range(6)))
    granted = [name for one in asked for name in one.granted]
    assert sorted(granted) == sorted(names)
    for one in asked:
        assert set(one.granted) | set(one.others) == set(names)
    assert await store.runtime.leases() == {name: lease for one in asked for name, lease in one.granted.items()}


async def test_a_lease_ends_by_the_clock_of_the_server(store: Store) -> None:
    before = await store.server_time()
    lease = await store.runtime.acquire("support", "one", TTL)
    assert lease is not None
    assert before + TTL <= lease.expires_at <= await store.server_time() + TTL
    assert abs(before - datetime.now(UTC)) < timedelta(seconds=60)


async def test_the_holder_keeps_its_token_when_it_asks_again_or_renews(store: Store) -> None:
    first = await store.runtime.acquire("support", "one", TTL)
    again = await store.runtime.acquire("support", "one", TTL)
    assert first is not None and again is not None and again.token == first.token
    renewed = await store.runtime.renew("support", first, 2 * TTL)
    assert renewed is not None and renewed.token == first.token and renewed.expires_at > again.expires_at


async def test_an_expired_lease_goes_to_another_with_a_higher_token_and_cannot_be_renewed(store: Store) -> None:
    old = await store.runtime.acquire("support", "one", MOMENT)
    assert old is not None
    new = await eventually(lambda: store.runtime.acquire("support", "two", TTL))
    assert new.token == old.token + 1
    assert await store.runtime.renew("support", old, TTL) is None
    assert await store.runtime.acquire("support", "one", TTL) is None


async def test_tokens_only_grow_while_many_take_and_release(store: Store) -> None:
    tokens: list[int] = []

    async def work(name: str) -> None:
        for _ in range(5):
            lease = await eventually(lambda: store.runtime.acquire("support", name, TTL), 30)
            tokens.append(lease.token)
            await store.runtime.release("support", lease)

    await asyncio.gather(*(work(f"f{n}") for n in range(4)))
    assert len(tokens) == 20
    assert tokens == sorted(set(tokens))


async def test_a_released_lease_is_free_at_once_and_a_late_release_harms_nobody(store: Store) -> None:
    old = await store.runtime.acquire("support", "one", TTL)
    assert old is not None
    await store.runtime.release("support", old)
    assert await store.runtime.leases() == {}
    new = await store.runtime.acquire("support", "two", TTL)
    assert new is not None
    await store.runtime.release("support", old)
    assert await store.runtime.leases() == {"support": new}


async def test_a_cursor_is_saved_under_the_lease_and_refused_without_it(store: Store) -> None:
    cursor = Cursor(folder="INBOX.Süd $x", uid_validity=7, epoch=1, low_water=41, baseline_uid=3, baseline_at=AT)
    old = await store.runtime.acquire("support", "one", MOMENT)
    assert old is not None
    assert await store.runtime.cursor("support", cursor.folder) is None
    assert await store.runtime.save_cursor("support", old, cursor)
    assert await store.runtime.cursor("support", cursor.folder) == cursor
    await eventually(lambda: store.runtime.acquire("support", "two", TTL))
    assert not await store.runtime.save_cursor("support", old, cursor.model_copy(update={"low_water": 99}))
    assert await store.runtime.cursor("support", cursor.folder) == cursor


async def test_of_cursors_saved_at_the_same_moment_only_the_one_whose_lease_is_lost_is_refused(store: Store) -> None:
    """They share a round trip, not their fate."""
    names = ("support", "hr", "lost", "sales")
    leases = {name: await store.runtime.acquire(name, "one", MOMENT if name == "lost" else TTL) for name in names}
    await eventually(lambda: store.runtime.acquire("lost", "two", TTL))
    cursors = {name: Cursor(folder="INBOX", uid_validity=7, low_water=n) for n, name in enumerate(names, 1)}
    held = {name: lease for name, lease in leases.items() if lease is not None}
    saved = await asyncio.gather(*(store.runtime.save_cursor(name, held[name], cursors[name]) for name in names))
    assert dict(zip(names, saved, strict=True)) == {name: name != "lost" for name in names}
    for name in names:
        assert await store.runtime.cursor(name, "INBOX") == (None if name == "lost" else cursors[name])


async def test_each_folder_has_a_cursor_of_its_own(store: Store) -> None:
    lease = await store.runtime.acquire("support", "one", TTL)
    assert lease is not None
    cursors = [Cursor(folder=name, uid_validity=1, low_water=n) for n, name in enumerate(("A", "A.B", "a"), 1)]
    for cursor in cursors:
        assert await store.runtime.save_cursor("support", lease, cursor)
    assert [await store.runtime.cursor("support", one.folder) for one in cursors] == cursors


async def test_the_status_of_a_mailbox_comes_back_and_leaves_lease_and_cursor_alone(store: Store) -> None:
    lease = await store.runtime.acquire("support", "one", TTL)
    status = MailboxStatus(state=Phase.IDLE, code="ok", sentence="Waiting.", since=AT, connected_at=AT)
    await store.runtime.set_status("support", status)
    await store.runtime.set_status("fresh", status)
    assert await store.runtime.statuses() == {"support": status, "fresh": status}
    assert await store.runtime.leases() == {"support": lease}


async def test_live_fetchers_are_those_that_announced_themselves_lately(store: Store) -> None:
    await store.runtime.announce("short", MOMENT)
    await store.runtime.announce("b", MOMENT)
    await store.runtime.announce("b", TTL)
    await store.runtime.announce("a", TTL)

    async def settled() -> tuple[str, ...] | None:
        live = await store.runtime.live_fetchers()
        return None if "short" in live else live

    assert await eventually(settled) == ("a", "b")
    await store.runtime.retire("a")
    assert await store.runtime.live_fetchers() == ("b",)


async def test_what_was_granted_while_the_clock_of_the_server_was_ahead_counts_as_ended(store: Store) -> None:
    """Otherwise a fetcher that is gone would keep its mailboxes, and its share, until that day."""
    ten_years = timedelta(days=3652)
    ahead = await store.runtime.acquire("support", "gone", ten_years)
    await store.runtime.announce("gone", ten_years)
    await store.runtime.announce("here", TTL)
    assert ahead is not None
    assert await store.runtime.live_fetchers() == ("here",)
    assert await store.runtime.leases() == {}
    taken = await store.runtime.acquire("support", "here", TTL)
    assert taken is not None and taken.token == ahead.token + 1
    assert await store.runtime.renew("support", ahead, TTL) is None


async def test_a_lease_of_the_longest_time_there_is_keeps_others_out(store: Store) -> None:
    assert await store.runtime.acquire("support", "one", LONGEST)
    assert await store.runtime.acquire("support", "two", LONGEST) is None


async def test_a_lease_is_lost_when_the_store_was_put_back_to_an_older_copy(store: Store) -> None:
    """The holder then reads the cursor anew: the one in its memory hides mails that the store has forgotten."""
    first = await store.runtime.acquire("support", "one", TTL)
    assert first is not None
    renewed = await store.runtime.renew("support", first, 2 * TTL)
    assert renewed is not None
    assert await store.runtime.renew("support", first, 2 * TTL), "an answer that was lost does not cost the lease"
    older = changed({"lease": first.model_dump()})
    assert await store.collection("mailbox_runtime").update({"_id": "support"}, older)
    assert await store.runtime.renew("support", renewed, TTL) is None
