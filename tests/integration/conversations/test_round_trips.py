"""What a batch asks of the store: fewer is faster."""

from typing import Any

import pytest

from services.ticket_writer.handler import TicketWriter
from shared.observability.metrics import Metrics
from shared.store.client import Store
from tests.support.conversations import Desk, Letter
from tests.support.embedded_store import FakeClock


class Counting:
    """The store, noting each call."""

    def __init__(self, store: Store) -> None:
        self._store, self.calls = store, list[str]()

    def __getattr__(self, name: str) -> Any:
        return _Noting(getattr(self._store, name), self.calls)


class _Noting:
    def __init__(self, collection: Any, calls: list[str]) -> None:
        self._collection, self._calls = collection, calls

    def __getattr__(self, name: str) -> Any:
        self._calls.append(name)
        return getattr(self._collection, name)


OPENING = ["get_many", "take", "decide_many", "insert_many", "mark_done", "mark_published"]
ANSWERING = [
    "get_many",
    "of_message_ids",
    "heads",
    "decide_many",
    "insert_many",
    "touch",
    "mark_done",
    "mark_published",
]


@pytest.mark.parametrize(
    ("letters", "expected"),
    [
        ([Letter(f"m{n}", "opens") for n in range(20)], OPENING),
        ([Letter(f"m{n}", "reply a", answers="ack a", subject="[{tag a}]") for n in range(20)], ANSWERING),
    ],
    ids=["mails without marks and references", "replies"],
)
async def test_a_batch_asks_each_thing_once(
    store: Store, clock: FakeClock, metrics: Metrics, letters: list[Letter], expected: list[str]
) -> None:
    """However many mails it has."""
    desk = await Desk.open(store, clock, metrics)
    await desk.happen(Letter("a", "opens"))
    await desk.enter(*letters)
    mails, _ = await desk.classified(*(one.key for one in letters))
    counting = Counting(store)
    writer = TicketWriter(counting, desk.configuration, desk.marks, clock, metrics, "/test")
    await writer.settle(mails, await writer.handle(mails))
    assert counting.calls == expected
