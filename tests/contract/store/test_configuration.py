"""Counters, the catalogue, the generation of the configuration, and dead messages."""

import asyncio

import pytest

from shared.domain.catalogue import Catalogue, Department, Process, Service
from shared.store.client import Store
from shared.store.failures import Conflict

CATALOGUE = Catalogue(
    services=(Service(name="mail", keywords=("Outlook", "E-Mail"), department="it"), Service(name="a")),
    processes=(Process(name="leave", senders=("*@hr.example",)),),
    departments=(Department(name="it", title="IT"),),
)


async def test_numbers_start_at_one_and_are_given_once(store: Store) -> None:
    assert await store.counters.take("INC") == 1
    assert await store.counters.take("INC", 5) == 2
    assert await store.counters.take("INC") == 7
    assert await store.counters.take("REQ") == 1


async def test_many_who_take_numbers_at_once_get_ranges_that_do_not_meet(store: Store) -> None:
    starts = await asyncio.gather(*(store.counters.take("INC", 3) for _ in range(40)))
    assert sorted(starts) == list(range(1, 121, 3))


async def test_no_numbers_cannot_be_taken(store: Store) -> None:
    with pytest.raises(ValueError, match="at least one"):
        await store.counters.take("INC", 0)


async def test_the_catalogue_is_empty_at_first_and_comes_back_as_it_was_saved(store: Store) -> None:
    assert await store.catalogue.load() == Catalogue()
    saved = await store.catalogue.save(CATALOGUE)
    assert saved == CATALOGUE.model_copy(update={"revision": 1})
    assert await store.catalogue.load() == saved
    assert (await store.catalogue.save(saved)).revision == 2
    assert await store.config.generation() == 2


@pytest.mark.parametrize("revision", [0, 1])
async def test_of_many_who_save_the_same_revision_one_succeeds(store: Store, revision: int) -> None:
    base = await store.catalogue.save(CATALOGUE) if revision else CATALOGUE
    results = await asyncio.gather(*(store.catalogue.save(base) for _ in range(5)), return_exceptions=True)
    assert sum(isinstance(one, Catalogue) for one in results) == 1
    assert sum(isinstance(one, Conflict) for one in results) == 4
    assert (await store.catalogue.load()).revision == revision + 1


async def test_a_dead_message_recorded_twice_is_one(store: Store) -> None:
    facts: dict[str, str | int] = {"type": "odd.v9", "message_id": "x", "size": 12}
    await store.dead_messages.record(facts)
    await store.dead_messages.record(dict(reversed(facts.items())))
    await store.dead_messages.record(facts | {"size": 13})
    assert await store.dead_messages.count() == 2
