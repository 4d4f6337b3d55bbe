"""How often somebody did something, counted over all processes."""

import asyncio
from datetime import timedelta

import pytest

from shared.store.client import Store
from shared.store.rates import TooOften

MINUTE = timedelta(minutes=1)


async def take(store: Store, who: str = "ada", limit: int = 3) -> None:
    await store.rates.take("tests", who, limit, MINUTE)


async def test_turns_run_out_and_come_back_one_by_one_as_the_window_rolls(store, clock) -> None:
    for _ in range(3):
        await take(store)
        clock.advance(seconds=10)
    with pytest.raises(TooOften) as refused:
        await take(store)
    assert refused.value.seconds == 30, "the first turn was taken half a minute ago"
    clock.advance(seconds=29.5)
    with pytest.raises(TooOften) as refused:
        await take(store)
    assert refused.value.seconds == 1
    clock.advance(seconds=1)
    await take(store)
    with pytest.raises(TooOften):
        await take(store)


async def test_one_persons_turns_are_not_anothers(store) -> None:
    await take(store, "ada", limit=1)
    await take(store, "bob", limit=1)
    with pytest.raises(TooOften):
        await take(store, "ada", limit=1)


async def test_two_processes_at_once_never_take_more_turns_than_there_are(store, store_settings, clock) -> None:
    other = await Store.open(store_settings, clock=clock)
    results = await asyncio.gather(*(take(one) for one in (store, other) * 8), return_exceptions=True)
    await other.close()
    assert [one for one in results if not isinstance(one, TooOften)] == [None] * 3


async def test_what_expired_is_cleaned_away_and_names_nobody(store, clock) -> None:
    for n in range(5):
        await take(store, f"person-{n}")
    assert "person" not in str(await store.collection("rates").find({}))
    clock.advance(seconds=61)
    await take(store, "ada")
    assert len(await store.collection("rates").find({})) == 1
