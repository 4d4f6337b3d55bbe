"""What the stages told the world first, and what is told again from the store, is the same: ids and content.

Through the real parser, filter, classifier and ticket writer, on a real store.
"""

from collections.abc import Sequence
from typing import Any

import orjson

from services.classifier.handler import Classifier
from services.console.retelling import RETELLERS, Wanted, retold
from shared.broker.topology import TICKETS
from shared.contracts.codec import decode
from shared.contracts.events import EVENTS, MAIL_QUARANTINED
from shared.contracts.messages import EmailAccepted, EmailClassified, EmailFetched
from shared.observability.metrics import Metrics
from shared.runtime.consume.outcome import Outcome, Result
from shared.store.client import Store
from tests.support import builders
from tests.support.conversations import BOB, Desk, Letter
from tests.support.embedded_store import FakeClock

FIRST = Letter("first", "", text="It burns.\n" * 3)
REPEAT = Letter("repeat", "", text="It burns.\n" * 3, message_id="<first@people.example>")
ANSWER = Letter("answer", "", subject="Re: Printer on fire", text="Still.\n", answers="first")
SPAM = Letter("spam", "", sender="Spam <x@spam.example>", message_id="<odd id@spam.example>")
OTHER = Letter("other", "", sender=BOB, subject="Payroll", text="Hello\n")
SETTINGS = {"domains": {"blockedSenders": ["*@spam.example"], "allowDuplicates": False}}

Event = dict[str, Any]


def told(results: Sequence[Result]) -> list[Event]:
    """The events among what stages publish."""
    outgoing = [out for one in results if isinstance(one, Outcome) for out in one.publish]
    return [orjson.loads(one.envelope.body) for one in outgoing if one.exchange == TICKETS]


async def take_through(desk: Desk, *letters: Letter) -> list[Event]:
    """Take letters through every stage; the events that they publish."""
    await desk.enter(*letters)
    fetched = [
        EmailFetched(mail_id=one.key, mailbox=one.mailbox, received_at=builders.AT, fetched_at=builders.AT, size=9)
        for one in letters
    ]
    outcomes = await desk.filter.handle(fetched)
    passed = [decode(out.publish[0].envelope) for out in outcomes if isinstance(out, Outcome) and not told([out])]
    placed = await Classifier(desk.configuration).handle([one for one in passed if isinstance(one, EmailAccepted)])
    mails = [decode(one.publish[0].envelope) for one in placed if isinstance(one, Outcome)]
    results = await desk.writer.handle([one for one in mails if isinstance(one, EmailClassified)])
    return told(outcomes) + told(results)


async def again(store: Store, source: str = "/test") -> list[Event]:
    return [one.event async for one in retold(store, source, Wanted(since=builders.AT))]


async def test_every_event_that_the_stages_told_is_told_again_the_same(
    store: Store, clock: FakeClock, metrics: Metrics
) -> None:
    """A ticket, a reply that opens it again, a counted repeat, a rejection."""
    desk = await Desk.open(store, clock, metrics, SETTINGS)
    clock.advance(milliseconds=417)
    first = await take_through(desk, FIRST, OTHER)
    clock.advance(milliseconds=1311)
    await store.tickets.close((await desk.ticket("first")).ticket_id, clock.now())
    clock.advance(milliseconds=29)
    first += await take_through(desk, ANSWER, REPEAT, SPAM)
    assert {one["type"] for one in first} == set(EVENTS) - {MAIL_QUARANTINED}
    found = await again(store)
    assert {one["id"]: one for one in found} == {one["id"]: one for one in first}
    assert len(found) == len(first)


async def test_a_stage_that_tells_of_a_mail_twice_tells_the_same(
    store: Store, clock: FakeClock, metrics: Metrics
) -> None:
    """A redelivery an hour later: the decision that stands is told of, not a new one."""
    desk = await Desk.open(store, clock, metrics, SETTINGS)
    first = await take_through(desk, FIRST, SPAM)
    first += await take_through(desk, ANSWER)
    clock.advance(hours=1)
    second = await take_through(desk, FIRST, SPAM, ANSWER)
    by_id = {one["id"]: one for one in first}
    assert {one["id"]: one for one in second} == by_id
    assert len(by_id) == 3


def test_every_event_can_be_told_again() -> None:
    """One that is added needs its way back."""
    assert set(RETELLERS) == set(EVENTS)
