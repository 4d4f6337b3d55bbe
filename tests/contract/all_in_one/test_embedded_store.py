"""The embedded store as a process: data kept, private, gone at the end."""

from pathlib import Path

import pytest
from pydantic import SecretStr

from services.all_in_one.embedded_store import EmbeddedStore
from shared.domain.errors import ConfigurationError
from shared.runtime.clock import Clock
from shared.store.client import Store
from shared.store.settings import StoreSettings
from tests.support.processes import is_alive


async def _take(url: str) -> int:
    store = await Store.open(StoreSettings(url=SecretStr(url)), clock=Clock())
    try:
        return await store.counters.take("test")
    finally:
        await store.close()


async def test_what_was_acknowledged_is_there_after_a_stop_and_after_a_kill(tmp_path: Path) -> None:
    """The URL of one object stays the same, so that services need not be told of a restart."""
    store = EmbeddedStore(tmp_path / "store")
    url = store.url
    try:
        for expected, end in ((1, store.stop), (2, store.kill), (3, store.stop)):
            await store.start()
            assert await _take(url) == expected
            [pid] = store.pids
            await end()
            assert not is_alive(pid)
    finally:
        await store.stop()


async def test_its_folder_is_private_and_repeats_nothing_of_what_it_was_told(tmp_path: Path) -> None:
    async with EmbeddedStore(tmp_path / "store") as store:
        client = await Store.open(StoreSettings(url=SecretStr(store.url)), clock=Clock())
        await client.counters.take("must-not-be-logged")
        await client.close()
        assert store.folder.stat().st_mode & 0o077 == 0
        texts = [file.read_bytes() for file in store.folder.iterdir() if file.is_file()]
    assert texts and not any(b"must-not-be-logged" in text for text in texts)


async def test_a_second_store_on_the_same_folder_is_refused(tmp_path: Path) -> None:
    async with EmbeddedStore(tmp_path / "store") as store:
        with pytest.raises(ConfigurationError, match="already runs on this folder"):
            await EmbeddedStore(tmp_path / "store").start(patience=0.5)
        assert await _take(store.url) == 1
