"""While a system is upgraded, older processes read documents that newer ones wrote: with fields they do not know."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest

from shared.domain.mailbox_runtime import Cursor
from shared.store.client import Store
from shared.store.collection import changed
from tests.contract.store.test_tickets import ticket
from tests.support import builders

TTL = timedelta(seconds=30)


async def cursor(store: Store) -> object:
    return await store.runtime.cursor("support", "INBOX")


READERS: dict[str, Callable[[Store], Awaitable[Any]]] = {
    "mails": lambda store: store.ledger.get("m1"),
    "tickets": lambda store: store.tickets.get("t1"),
    "mailboxes": lambda store: store.mailboxes.get("support"),
    "mailbox_runtime": cursor,
}
NESTED = {"mails": "origin", "tickets": "requester", "mailboxes": "spec", "mailbox_runtime": "lease"}
"""In each collection a field that is a value of its own."""


async def written(store: Store) -> None:
    """One document of each."""
    await store.ledger.insert_many([builders.entry("m1")])
    await store.tickets.insert_many([ticket(1)])
    await store.mailboxes.put(builders.mailbox(), {})
    lease = await store.runtime.acquire("support", "one", TTL)
    assert lease is not None
    assert await store.runtime.save_cursor("support", lease, Cursor(folder="INBOX", uid_validity=1, low_water=7))


@pytest.mark.parametrize("name", READERS)
async def test_a_field_of_a_newer_version_is_ignored_at_the_top_and_within(store: Store, name: str) -> None:
    await written(store)
    before = await READERS[name](store)
    collection = store.collection(name)
    (document,) = await collection.find({})
    inner = {**document[NESTED[name]], "of_tomorrow": {"any": 1}}
    newer = {"of_tomorrow": [1], NESTED[name]: inner}
    assert await collection.update({"_id": document["_id"]}, changed(newer))
    assert before is not None
    assert await READERS[name](store) == before


async def test_a_cursor_of_a_newer_version_is_read(store: Store) -> None:
    await written(store)
    (document,) = await store.collection("mailbox_runtime").find({})
    cursors = {key: {**one, "of_tomorrow": 1} for key, one in document["cursors"].items()}
    assert await store.collection("mailbox_runtime").update({"_id": "support"}, changed({"cursors": cursors}))
    assert await cursor(store) == Cursor(folder="INBOX", uid_validity=1, low_water=7)
