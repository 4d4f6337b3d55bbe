"""A MongoDB-compatible store for tests: the one that MAIL_AUTOMATOR_TEST_STORE_URL names, or a private embedded one.

Each test gets a database of its own on it, with the indexes made.
"""

import asyncio
import os
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import pytest
import pytest_asyncio
from motor.motor_asyncio import AsyncIOMotorClient
from pydantic import SecretStr

from services.all_in_one.embedded_store import EmbeddedStore
from shared.store.client import Store
from shared.store.indexes import ensure_indexes
from shared.store.keys import create_key_file
from shared.store.settings import StoreSettings
from tests.support.canary import secret

FROM_THE_ENVIRONMENT = secret("from-the-environment")


class FakeClock:
    """A clock that a test moves."""

    def __init__(self, at: datetime) -> None:
        self._at = at

    def now(self) -> datetime:
        """Where the test put it."""
        return self._at

    def monotonic(self) -> float:
        """The same, in seconds."""
        return self._at.timestamp()

    def advance(self, **by: float) -> datetime:
        """Move on, by keywords of timedelta."""
        self._at += timedelta(**by)
        return self._at


@pytest.fixture(scope="session")
def store_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a running store."""
    if given := os.environ.get("MAIL_AUTOMATOR_TEST_STORE_URL"):
        yield given
        return
    server = EmbeddedStore(tmp_path_factory.mktemp("store"))
    asyncio.run(server.start())
    try:
        yield server.url
    finally:
        asyncio.run(server.stop())


@pytest_asyncio.fixture
async def store_settings(store_url: str, tmp_path: Path) -> AsyncIterator[StoreSettings]:
    """Settings of a database of this test alone, with a key file. The database is dropped afterwards."""
    key_file = tmp_path / "store.key"
    create_key_file(key_file)
    name = f"test_{uuid4().hex[:16]}"
    yield StoreSettings(url=SecretStr(store_url), database=name, key_file=key_file)
    client: AsyncIOMotorClient[dict[str, object]] = AsyncIOMotorClient(store_url)
    await client.drop_database(name)
    client.close()


@pytest.fixture
def clock() -> FakeClock:
    """A clock at a fixed instant."""
    return FakeClock(datetime(2026, 3, 1, 12, 0, tzinfo=UTC))


@pytest_asyncio.fixture
async def store(store_settings: StoreSettings, clock: FakeClock) -> AsyncIterator[Store]:
    """The store, with its indexes. Its environment holds `SUPPORT_PASSWORD`."""
    opened = await Store.open(store_settings, clock=clock, environ={"SUPPORT_PASSWORD": FROM_THE_ENVIRONMENT})
    await ensure_indexes(opened)
    yield opened
    await opened.close()


async def drop_index(settings: StoreSettings, collection: str, field: str) -> None:
    """Drop an index, as somebody with a shell on the database does."""
    client: AsyncIOMotorClient[dict[str, object]] = AsyncIOMotorClient(settings.url.get_secret_value())
    there = client[settings.database][collection]
    (name,) = [key for key, one in (await there.index_information()).items() if one["key"][0][0] == field]
    await there.drop_index(name)
    client.close()
