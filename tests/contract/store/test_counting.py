"""Round trips to the store are counted where they happen: at the driver."""

from collections.abc import AsyncIterator, Mapping

import pytest_asyncio

from shared.observability.metrics import Metrics
from shared.store.client import Store
from shared.store.settings import StoreSettings
from tests.support.embedded_store import FakeClock


@pytest_asyncio.fixture
async def counted(store_settings: StoreSettings, clock: FakeClock) -> AsyncIterator[tuple[Store, Metrics]]:
    metrics = Metrics("fetcher", "0")
    opened = await Store.open(store_settings, clock=clock, metrics=metrics)
    yield opened, metrics
    await opened.close()


def commands(metrics: Metrics) -> Mapping[tuple[str, str], float]:
    return {
        (sample.labels["collection"], sample.labels["command"]): sample.value
        for family in metrics.store_commands.collect()
        for sample in family.samples
    }


async def test_a_bulk_write_is_one_command_however_many_documents_it_has(counted: tuple[Store, Metrics]) -> None:
    store, metrics = counted
    await store.collection("scratch").insert_many([{"_id": str(one)} for one in range(50)])
    assert commands(metrics)["scratch", "insert"] == 1


async def test_what_is_read_in_several_answers_is_several_commands_of_its_collection(
    counted: tuple[Store, Metrics],
) -> None:
    store, metrics = counted
    await store.collection("scratch").insert_many([{"_id": str(one), "n": 1} for one in range(5)])
    assert len([one async for one in store.collection("scratch").stream({"n": 1}, batch=2)]) == 5
    assert commands(metrics)["scratch", "find"] == 1
    assert commands(metrics)["scratch", "getMore"] >= 1


async def test_what_names_no_collection_is_counted_without_one(counted: tuple[Store, Metrics]) -> None:
    store, metrics = counted
    await store.server_time()
    assert commands(metrics)["", "hello"] == 1


async def test_what_the_store_refuses_was_a_round_trip_all_the_same(counted: tuple[Store, Metrics]) -> None:
    """And the time that it took is counted with it."""
    store, metrics = counted
    await store.collection("scratch").insert({"_id": "1"})
    assert not await store.collection("scratch").insert({"_id": "1"})
    assert commands(metrics)["scratch", "insert"] == 2
    seconds = metrics.store_seconds.labels("scratch", "insert")
    assert next(sample.value for family in seconds.collect() for sample in family.samples) > 0
