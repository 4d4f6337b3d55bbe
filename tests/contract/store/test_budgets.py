"""Budgets for acknowledgements hold across replicas, and asking twice for one ticket spends once."""

import asyncio
from datetime import timedelta

from shared.domain.budgets import Budgets, Scope
from shared.store.budgets import Spending
from shared.store.client import Store
from tests.support.builders import AT

WIDE = Budgets(1000, 1000, 1000, 1000)
HOUR = timedelta(hours=1)


async def spend(store: Store, budgets: Budgets, n: int, address: str = "a@b.example", at=AT) -> Spending:
    return await store.budgets.spend(budgets, f"t{n}", address, address.rpartition("@")[2], at)


async def test_an_address_gets_one_per_hour_and_five_per_day(store: Store) -> None:
    budgets = Budgets()
    assert (await spend(store, budgets, 1)).refused is None
    assert (await spend(store, budgets, 2, at=AT + HOUR / 2)).refused is Scope.ADDRESS
    for n in range(3, 7):
        assert (await spend(store, budgets, n, at=AT + n * HOUR)).refused is None
    assert (await spend(store, budgets, 7, at=AT + 9 * HOUR)).refused is Scope.ADDRESS
    assert (await spend(store, budgets, 8, at=AT + 25 * HOUR)).refused is None


async def test_a_tag_on_the_address_buys_nothing_and_another_address_has_its_own(store: Store) -> None:
    assert (await spend(store, Budgets(), 1)).refused is None
    assert (await spend(store, Budgets(), 2, "a+more@b.example")).refused is Scope.ADDRESS
    assert (await spend(store, Budgets(), 3, "c@b.example")).refused is None


async def test_the_same_ticket_asked_again_spends_nothing_of_its_address(store: Store) -> None:
    for _ in range(3):
        assert (await spend(store, Budgets(), 1)).refused is None


async def test_many_at_once_spend_no_more_than_there_is_and_one_finds_the_breaker_first(store: Store) -> None:
    budgets = Budgets(1000, 1000, domain_per_hour=7, global_per_hour=1000)
    found = await asyncio.gather(*(spend(store, budgets, n, f"a{n}@b.example") for n in range(20)))
    assert sum(one.refused is None for one in found) == 7
    assert sum(one.first for one in found) == 1
    assert {one.refused for one in found} == {None, Scope.DOMAIN}
    assert await store.budgets.spent(AT) == {Scope.DOMAIN}
    assert (await spend(store, budgets, 99, "a@other.example")).refused is None
    assert (await spend(store, budgets, 100, "a9@b.example", AT + HOUR)).refused is None
    assert await store.budgets.spent(AT + HOUR) == frozenset()


async def test_one_address_asked_by_many_at_once_gets_one(store: Store) -> None:
    found = await asyncio.gather(*(spend(store, Budgets(), n) for n in range(12)))
    assert sum(one.refused is None for one in found) == 1


async def test_all_together_have_a_budget(store: Store) -> None:
    budgets = Budgets(1000, 1000, 1000, global_per_hour=2)
    found = [await spend(store, budgets, n, f"a@b{n}.example") for n in range(4)]
    assert [one.refused for one in found] == [None, None, Scope.GLOBAL, Scope.GLOBAL]
    assert [one.first for one in found] == [False, False, True, False]


async def test_old_counters_are_forgotten_and_new_ones_are_not(store: Store) -> None:
    await spend(store, Budgets(), 1)
    await store.budgets.forget(AT + 20 * HOUR)
    assert (await spend(store, Budgets(address_per_hour=5, address_per_day=1), 2, at=AT + 20 * HOUR)).refused
    await store.budgets.forget(AT + 60 * HOUR)
    assert (await spend(store, Budgets(address_per_hour=5, address_per_day=1), 3, at=AT + 20 * HOUR)).refused is None
