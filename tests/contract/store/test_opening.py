"""A store that is away, or without its indexes, gives one clear line: what, where, what to do; never a credential."""

import asyncio
import socket
import traceback
from collections.abc import Iterator
from datetime import UTC

import pytest
from pydantic import SecretStr

from services.all_in_one.embedded_store import EmbeddedStore
from shared.domain.errors import ConfigurationError, StoreUnavailable
from shared.store.client import Store
from shared.store.collection import Collection
from shared.store.indexes import INDEXES, PROBE, ensure_indexes, verify_indexes
from shared.store.settings import StoreSettings
from tests.support.canary import WORD
from tests.support.embedded_store import FakeClock


@pytest.fixture
def silent_port() -> Iterator[int]:
    """A port that takes connections and never answers."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(50)
        yield listener.getsockname()[1]


@pytest.fixture
def closed_port() -> int:
    """A port where nothing listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


def settings_for(port: int) -> StoreSettings:
    url = SecretStr(f"mongodb://admin:{WORD}@127.0.0.1:{port}/?authSource=admin")
    return StoreSettings(url=url, timeout_seconds=0.5)


@pytest.mark.parametrize("kind", ["closed_port", "silent_port"])
async def test_a_store_that_does_not_answer_is_one_clear_line_without_credentials(
    kind: str, request: pytest.FixtureRequest, clock: FakeClock
) -> None:
    port = request.getfixturevalue(kind)
    async with asyncio.timeout(10):
        with pytest.raises(StoreUnavailable) as caught:
            await Store.open(settings_for(port), clock=clock)
    assert caught.value.line() == (
        f"the store did not answer within 0.5 s (127.0.0.1:{port})"
        " -> start it, or set MAIL_AUTOMATOR_STORE_URL to where it is"
    )
    assert WORD not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize("url", ["nonsense", f"mongodb://u:{WORD}@ho st:1:2/", f"mongodb://u:s3cret@{WORD}@h/", ""])
async def test_a_url_that_is_none_is_a_configuration_error_without_credentials(url: str, clock: FakeClock) -> None:
    with pytest.raises(ConfigurationError) as caught:
        await Store.open(StoreSettings(url=SecretStr(url), timeout_seconds=0.5), clock=clock)
    assert "MAIL_AUTOMATOR_STORE_URL" in caught.value.line()
    assert WORD not in "".join(traceback.format_exception(caught.value))


async def test_a_store_that_dies_is_transient_and_answers_again_after_its_restart(
    tmp_path_factory: pytest.TempPathFactory, clock: FakeClock
) -> None:
    async with EmbeddedStore(tmp_path_factory.mktemp("mortal")) as server:
        store = await Store.open(StoreSettings(url=SecretStr(server.url), timeout_seconds=2), clock=clock)
        assert await store.counters.take("INC") == 1
        await server.kill()
        with pytest.raises(StoreUnavailable):
            await store.ping()
        with pytest.raises(StoreUnavailable):
            await store.ledger.get("m1")
        await server.start()
        assert await store.counters.take("INC") == 2
        await store.close()


async def test_the_time_of_the_server_is_in_utc(store: Store) -> None:
    assert (await store.server_time()).tzinfo is UTC


async def test_indexes_are_missing_at_first_named_with_the_remedy_and_there_once_made(
    store_settings: StoreSettings, clock: FakeClock
) -> None:
    store = await Store.open(store_settings, clock=clock)
    with pytest.raises(ConfigurationError) as caught:
        await verify_indexes(store)
    assert "tickets(number) unique" in caught.value.line() and "mail-automator store init" in caught.value.line()
    assert all(index.collection in caught.value.what for index in INDEXES if index.verified)
    await asyncio.gather(*(ensure_indexes(store) for _ in range(3)))
    await verify_indexes(store)
    await verify_indexes(store)
    assert await store.collection("index_probe").size() == 0
    large = b"x" * 3_000_000
    await store.raw.put_many({"m1": large})
    assert await store.raw.get("m1") == large
    await store.close()


async def test_an_index_that_is_there_but_not_unique_is_noticed(store: Store, store_settings: StoreSettings) -> None:
    from motor.motor_asyncio import AsyncIOMotorClient

    client: AsyncIOMotorClient[dict[str, object]] = AsyncIOMotorClient(store_settings.url.get_secret_value())
    tickets = client[store_settings.database]["tickets"]
    (name,) = [key for key, one in (await tickets.index_information()).items() if one["key"][0][0] == "number"]
    await tickets.drop_index(name)
    await tickets.create_index("number")
    client.close()
    with pytest.raises(ConfigurationError, match=r"tickets\(number\) unique"):
        await verify_indexes(store)


class Forgetful(Store):
    """A store that claims to have the unique index of the probe, and does not keep it."""

    def collection(self, name: str) -> Collection:
        real = super().collection(name)
        if name != PROBE.collection:
            return real
        loose = super().collection("loose")
        loose.indexes = real.indexes
        return loose


async def test_a_server_that_lists_a_unique_index_but_does_not_keep_it_is_refused(
    store: Store, store_settings: StoreSettings, clock: FakeClock
) -> None:
    await verify_indexes(store)
    forgetful = await Forgetful.open(store_settings, clock=clock)
    with pytest.raises(ConfigurationError, match="does not keep a unique index"):
        await verify_indexes(forgetful)
    await forgetful.close()
