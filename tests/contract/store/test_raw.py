"""Raw mail comes back byte for byte, small or large, and a repeat of any write completes it."""

import asyncio
import os

import pytest

from services.all_in_one.embedded_store import EmbeddedStore
from shared.domain.errors import Permanent
from shared.store.client import Store
from shared.store.raw import BUCKET, CHUNK_BYTES
from shared.store.settings import MEBIBYTE, StoreSettings
from tests.support.embedded_store import FakeClock


@pytest.mark.parametrize(
    ("size", "kind"),
    [(0, "inline"), (1, "inline"), (MEBIBYTE, "inline"), (MEBIBYTE + 1, "gridfs"), (20 * MEBIBYTE, "gridfs")],
)
async def test_raw_mail_of_any_size_comes_back_byte_for_byte(store: Store, size: int, kind: str) -> None:
    raw = os.urandom(size)
    assert store.raw.kind_for(size) == kind
    await store.raw.put_many({"m1": raw})
    assert await store.raw.get("m1") == raw


async def test_keeping_raw_mail_again_is_success_and_changes_nothing(store: Store) -> None:
    raws = {"small": os.urandom(2000), "large": os.urandom(3 * MEBIBYTE), "other": b"\x00\xff\r\n"}
    for _ in range(3):
        await store.raw.put_many(raws)
    assert {key: await store.raw.get(key) for key in raws} == raws
    assert await store.collection("raw").size() == 2


async def test_two_processes_that_keep_the_same_large_mail_at_once_both_succeed(store: Store) -> None:
    raw = os.urandom(3 * MEBIBYTE)
    await asyncio.gather(*(store.raw.put_many({"m1": raw}) for _ in range(3)))
    assert await store.raw.get("m1") == raw


async def test_a_mail_larger_than_one_answer_of_the_wire_comes_back_too(store: Store) -> None:
    """An answer over 48 MB is refused by the driver: the mail would look like a store that is away, for ever."""
    raw = os.urandom(MEBIBYTE) * 50
    await store.raw.put_many({"huge": raw})
    assert await store.raw.get("huge") == raw
    stream = await store.raw.open("huge")
    assert (stream.size, b"".join([piece async for piece in stream.chunks])) == (len(raw), raw)


async def test_mail_that_was_never_kept_is_a_permanent_error(store: Store) -> None:
    with pytest.raises(Permanent) as caught:
        await store.raw.get("nowhere")
    assert caught.value.code == "raw_missing"


async def test_a_half_written_upload_does_not_count_and_is_completed_by_a_repeat(store: Store) -> None:
    """What a process leaves that is killed between two chunks: the first chunks, and no finished file."""
    raw = os.urandom(5 * CHUNK_BYTES + 17)
    chunks = [
        {"_id": f"m1:{n}", "files_id": "m1", "n": n, "data": raw[n * CHUNK_BYTES : (n + 1) * CHUNK_BYTES]}
        for n in (0, 1, 3)
    ]
    await store.collection(f"{BUCKET}.chunks").insert_many(chunks)
    with pytest.raises(Permanent):
        await store.raw.get("m1")
    await store.raw.put_many({"m1": raw})
    assert await store.raw.get("m1") == raw
    kept = await store.collection(f"{BUCKET}.chunks").find({"files_id": "m1"}, only=("n",))
    assert sorted(one["n"] for one in kept) == [0, 1, 2, 3, 4, 5]


async def test_what_was_acknowledged_survives_a_kill_of_the_embedded_store(
    tmp_path_factory: pytest.TempPathFactory, store_settings: StoreSettings, clock: FakeClock
) -> None:
    raws = {"small": os.urandom(20_000), "large": os.urandom(2 * MEBIBYTE)}
    async with EmbeddedStore(tmp_path_factory.mktemp("killed")) as server:
        settings = store_settings.model_copy(update={"url": type(store_settings.url)(server.url)})
        store = await Store.open(settings, clock=clock)
        await store.raw.put_many(raws)
        await store.close()
        await server.kill()
        await server.start()
        again = await Store.open(settings, clock=clock)
        assert {key: await again.raw.get(key) for key in raws} == raws
        await again.close()
