"""A ticket writer that dies at any write, and another that does the work again: as if nothing had happened."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest

from services.console.books import balance
from services.console.facts import read_facts
from services.ticket_writer.handler import TicketWriter
from shared.domain.errors import StoreUnavailable, Transient
from shared.domain.ledger import Failure, State
from shared.domain.ticket import TicketState
from shared.observability.metrics import Metrics
from shared.runtime.consume.failures import MAX_ATTEMPTS
from shared.store.client import Store
from tests.support.conversations import DAEMON, Closes, Desk, Letter
from tests.support.embedded_store import FakeClock

CALLS = range(1, 12)
"""One more than the ticket writer makes for a reply that reopens: the last is not killed at all."""


class Mortal:
    """The store of a process that dies: its `dies_at`-th call is made, and the answer never comes."""

    def __init__(self, store: Store, dies_at: int) -> None:
        self._store, self._left = store, dies_at

    def __getattr__(self, name: str) -> Any:
        return _Collection(self, getattr(self._store, name))

    async def call(self, work: Callable[[], Awaitable[Any]]) -> Any:
        """One call of the process."""
        done = await work()
        self._left -= 1
        if self._left == 0:
            raise StoreUnavailable("killed")
        return done


class _Collection:
    def __init__(self, mortal: Mortal, collection: Any) -> None:
        self._mortal, self._collection = mortal, collection

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._collection, name)
        return lambda *given, **named: self._mortal.call(lambda: method(*given, **named))


async def killed(desk: Desk, key: str, dies_at: int) -> None:
    """Let a ticket writer take a letter and die at a call; whatever it published, it did before."""
    mails, _ = await desk.classified(key)
    doomed = TicketWriter(
        Mortal(desk.store, dies_at), desk.configuration, desk.marks, desk.clock, desk.metrics, "/test"
    )
    try:
        outcomes = await doomed.handle(mails)
        desk.events[key] = {out.envelope.body for one in outcomes for out in one.publish}
        await doomed.settle(mails, outcomes)
    except StoreUnavailable:
        pass


@pytest.mark.parametrize("dies_at", CALLS)
async def test_a_reply_that_reopens_is_appended_once_wherever_its_writer_dies(
    store: Store, clock: FakeClock, metrics: Metrics, dies_at: int
) -> None:
    """One article, one event, word for word, and it says that the ticket was reopened once."""
    desk = await killed_while_reopening(store, clock, metrics, dies_at)
    clock.advance(seconds=5)
    assert await desk.post("b") == {"b": "reply a"}
    (article,) = await desk.conversation("a")
    assert article.reopened and article.article.text.strip() == "It burns."
    assert len(desk.events["b"]) == 1
    ticket = await desk.ticket("a")
    assert (ticket.state, ticket.reopened_by, ticket.closings) == (TicketState.OPEN, ("b",), 1)
    await is_settled(desk, "b")


@pytest.mark.parametrize("dies_at", CALLS)
async def test_a_ticket_that_was_closed_again_stays_closed(
    store: Store, clock: FakeClock, metrics: Metrics, dies_at: int
) -> None:
    """The writer died after the reply had opened it, and somebody closed it before the work was done again."""
    desk = await killed_while_reopening(store, clock, metrics, dies_at)
    closed_again = await store.tickets.close((await desk.ticket("a")).ticket_id, clock.now())
    assert await desk.post("b") == {"b": "reply a"}
    (article,) = await desk.conversation("a")
    assert article.reopened
    assert (await desk.ticket("a")).state is (TicketState.CLOSED if closed_again else TicketState.OPEN)


@pytest.mark.parametrize("dies_at", CALLS)
@pytest.mark.parametrize(
    "letter",
    [
        Letter("b", "note a", sender=DAEMON, reports="ack a"),
        Letter("b", "opens, perhaps a", sender="eve@evil.example", answers="ack a"),
        Letter("b", "duplicate a"),
    ],
    ids=lambda one: one.end,
)
async def test_every_other_end_comes_to_the_same_too(
    store: Store, clock: FakeClock, metrics: Metrics, letter: Letter, dies_at: int
) -> None:
    """Notes, related tickets, duplicates."""
    desk = await opened(store, clock, metrics)
    await desk.enter(letter)
    await killed(desk, "b", dies_at)
    assert await desk.post("b") == {"b": letter.end}
    assert len(desk.events["b"]) == 1
    await is_settled(desk, "b")


async def test_two_writers_with_the_same_replies_append_each_once(
    store: Store, clock: FakeClock, metrics: Metrics
) -> None:
    """Whoever wins the decision, and the reopening."""
    desk = await opened(store, clock, metrics)
    await desk.happen(Closes("a"))
    letters = [Letter(f"b{n}", "reply a", answers="ack a", text=f"{n}\n") for n in range(8)]
    await desk.enter(*letters)
    mails, _ = await desk.classified(*(one.key for one in letters))
    other = TicketWriter(store, desk.configuration, desk.marks, clock, metrics, "/test")
    results = await asyncio.gather(desk.writer.handle(mails), other.handle(list(reversed(mails))))
    found = await desk.conversation("a")
    assert sorted(one.article.mail_id for one in found) == sorted(one.key for one in letters)
    assert [one.reopened for one in found].count(True) == 1
    events = {out.envelope.message_id for result in results for one in result for out in one.publish}
    assert len(events) == len(letters)
    assert (await desk.ticket("a")).reopened_by == tuple(one.article.mail_id for one in found if one.reopened)


async def test_a_reply_whose_ticket_is_decided_and_not_written_yet_waits_for_it(
    store: Store, clock: FakeClock, metrics: Metrics
) -> None:
    """The writer of its parent died between decision and ticket."""
    desk = await Desk.open(store, clock, metrics)
    await desk.enter(Letter("a", "opens"), Letter("b", "reply a", answers="a"))
    await killed(desk, "a", 3)
    parent = await store.ledger.get("a")
    assert parent is not None and parent.state is State.DECIDED and await store.tickets.count() == 0
    assert await desk.post("b") == {"b": "waits"}
    clock.advance(seconds=121)
    late = Letter("c", "opens", answers="a")
    await desk.enter(late)
    clock.advance(seconds=121)
    assert parent.decision is not None and parent.decision.ticket_id
    assert await desk.post("c") == {"c": "opens, perhaps a"}, "it went on without, and names the ticket to come"
    assert await desk.post("a") == {"a": "opens"}
    assert await desk.post("b") == {"b": "reply a"}


async def test_waiting_never_ends_in_quarantine(store: Store, clock: FakeClock, metrics: Metrics) -> None:
    """Whatever the patience: a reply that was put off often goes on without its parent."""
    desk = await Desk.open(store, clock, metrics)
    await desk.enter(Letter("a", "opens"), Letter("b", "opens", answers="a"))
    writer = TicketWriter(store, desk.configuration, desk.marks, clock, metrics, "/test", patience=timedelta(days=365))
    mails, _ = await desk.classified("b")
    waits = 0
    while isinstance((await writer.handle(mails))[0], Transient):
        waits += 1
        failure = Failure(stage="ticket_writer", code="parent_in_flight", what="x", at=clock.now())
        await store.ledger.defer("b", failure, clock.now())
    assert 0 < waits < MAX_ATTEMPTS - 1
    assert metrics.reply_waits._value.get() == waits


async def opened(store: Store, clock: FakeClock, metrics: Metrics) -> Desk:
    """A desk where ticket a is open."""
    desk = await Desk.open(store, clock, metrics, {"domains": {"allowDuplicates": False}})
    await desk.happen(Letter("a", "opens"))
    clock.advance(seconds=60)
    return desk


async def killed_while_reopening(store: Store, clock: FakeClock, metrics: Metrics, dies_at: int) -> Desk:
    """A desk where ticket a is closed, and the writer of a reply to it died."""
    desk = await opened(store, clock, metrics)
    await desk.happen(Closes("a"))
    await desk.enter(Letter("b", "reply a", answers="ack a"))
    await killed(desk, "b", dies_at)
    return desk


async def is_settled(desk: Desk, key: str) -> None:
    """The mail is done, nothing is owed, the books balance."""
    entry = await desk.store.ledger.get(key)
    assert entry is not None and entry.state is State.DONE
    facts = await read_facts(desk.store)
    assert (balance(facts).findings, facts.outbox_pending) == ((), 0)
