"""Law of the belt: whatever the stages can do, a backlog keeps them at work and delays other mail by a second."""

import asyncio
from collections.abc import Iterable, Sequence

import pytest

from services.fetcher import decide
from services.fetcher.belt import LOOK_SECONDS, PROMISE_SECONDS, TimedBelt

FETCH_SECONDS = 0.1


class Stages:
    """The ledger behind stages that decide `rate` mails a second, first in, first out, each `latency` after its turn.

    Time passes when somebody sleeps, and by nothing else.
    """

    def __init__(self, rate: float, latency: float = 0.15) -> None:
        self.rate, self.latency, self.now = rate, latency, 0.0
        self.free_at = 0.0
        self.decided_at: dict[str, float] = {}
        self.asked = 0

    def monotonic(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(0)
        self.now += seconds

    def take(self, mail_ids: Iterable[str]) -> None:
        for one in mail_ids:
            self.free_at = max(self.free_at, self.now) + 1 / self.rate
            self.decided_at[one] = self.free_at + self.latency

    async def on_the_way(self, mail_ids: Iterable[str]) -> frozenset[str]:
        self.asked += 1
        return frozenset(one for one in mail_ids if self.decided_at[one] > self.now)

    @property
    def queued_seconds(self) -> float:
        """How long a mail that is published now waits for its turn."""
        return max(0.0, self.free_at - self.now)

    @property
    def there(self) -> int:
        return sum(at > self.now for at in self.decided_at.values())


def belt_of(stages: Stages, seconds: float = 1, most: int = 2000) -> TimedBelt:
    return TimedBelt(stages, stages.monotonic, seconds, most, stages.sleep)


def ids(name: str, count: int) -> Sequence[str]:
    return [f"{name}-{number}" for number in range(count)]


class Reader:
    """Reads a backlog without an end."""

    def __init__(self, belt: TimedBelt, stages: Stages, name: str = "a", most: int = 100) -> None:
        self.belt, self.stages, self.name, self.most = belt, stages, name, most
        self.published = 0
        self.waits: list[float] = []

    async def batch(self, fetching: float = FETCH_SECONDS) -> None:
        size = min(self.most, self.belt.batch)
        await self.belt.enter(size, few=False)
        await self.stages.sleep(fetching)
        ids = [f"{self.name}-{self.published + number}" for number in range(size)]
        self.published += size
        self.stages.take(ids)
        self.belt.carries(ids, size, few=False)
        self.waits.append(self.stages.queued_seconds)

    async def until(self, seconds: float) -> None:
        while self.stages.now < seconds:
            await self.batch()


@pytest.mark.parametrize("rate", [40, 100, 300, 800])
async def test_a_backlog_keeps_the_stages_at_work_and_delays_other_mail_by_a_second(rate: float) -> None:
    """However fast they are; after a few batches, in which that is found out."""
    stages = Stages(rate)
    reader = Reader(belt_of(stages), stages)
    await reader.until(5)
    before, began = reader.published, stages.now
    reader.waits.clear()
    await reader.until(65)
    assert max(reader.waits) < 1.5
    assert (reader.published - before) / (stages.now - began) > 0.97 * rate
    assert stages.asked < 65 / 0.15


async def test_stages_that_get_slower_hold_the_backlog_back_and_faster_ones_call_for_more() -> None:
    stages = Stages(400)
    reader = Reader(belt_of(stages), stages)
    await reader.until(10)
    stages.rate = 50
    await reader.until(30)
    reader.waits.clear()
    await reader.until(40)
    assert max(reader.waits) < 1.5
    stages.rate = 400
    await reader.until(50)
    before = reader.published
    await reader.until(60)
    assert reader.published - before > 0.95 * 400 * 10


async def test_a_stage_that_stands_still_stops_the_backlog_and_it_goes_on_afterwards() -> None:
    stages = Stages(200)
    reader = Reader(belt_of(stages), stages)
    await reader.until(20)
    stages.free_at = stages.now + 3600
    there = stages.there
    reading = asyncio.create_task(reader.until(stages.now + 3700))
    while stages.now < 3500:
        await asyncio.sleep(0)
        assert stages.there <= there + 2 * 100
    before = reader.published
    await reading
    assert reader.published > before + 50 * 200


async def let_in(belt: TimedBelt, stages: Stages, name: str) -> bool:
    """Whether a new mail is let in at once; then it is on the way."""
    entering = asyncio.create_task(belt.enter(1, few=True))
    for _ in range(20):
        await asyncio.sleep(0)
    if not entering.done():
        entering.cancel()
        return False
    stages.take([name])
    belt.carries([name], 1, few=True)
    return True


async def test_a_new_mail_passes_a_backlog_that_waits_until_too_much_is_on_the_way() -> None:
    stages = Stages(1e-9)
    belt = belt_of(stages, most=120)
    waiting = asyncio.create_task(Reader(belt, stages).until(1e9))
    await let_in(belt, stages, "first")
    backlog = stages.there
    let = 1
    while await let_in(belt, stages, f"new-{let}"):
        let += 1
    assert let > 10
    assert stages.there <= 120 + 50, "a batch more"
    assert stages.there > backlog
    waiting.cancel()


async def new_mail_until(seconds: float, rate: float, belt: TimedBelt, stages: Stages) -> None:
    """So many new mails a second, each published as it comes."""
    came = 0
    while stages.now < seconds:
        await asyncio.sleep(0)
        names = ids(f"new-{came}", int(stages.now * rate) - came)
        came += len(names)
        stages.take(names)
        belt.carries(names, len(names), few=True)


async def test_a_backlog_gets_its_turn_beside_new_mail_that_fills_the_belt_by_itself() -> None:
    """As much new mail as the stages get done, behind a few hundred: there is never room for more than that."""
    stages = Stages(50)
    belt = belt_of(stages, most=100_000)
    reader = Reader(belt, stages)
    stages.take(ids("first", 300))
    belt.carries(ids("first", 300), 300, few=True)
    reading = asyncio.create_task(reader.until(1e9))
    await new_mail_until(200, 50, belt, stages)
    reading.cancel()
    assert len(reader.waits) >= 10
    assert stages.queued_seconds < 300 / 50 + reader.published / 50 + 1


async def test_a_backlog_does_not_pile_up_behind_a_stage_that_stands_still_beside_new_mail() -> None:
    stages = Stages(1e-9)
    belt = belt_of(stages)
    reader = Reader(belt, stages)
    reading = asyncio.create_task(reader.until(1e9))
    await new_mail_until(200, 1, belt, stages)
    reading.cancel()
    assert reader.published <= belt.room


async def test_mailboxes_with_a_backlog_take_turns() -> None:
    stages = Stages(300)
    belt = belt_of(stages)
    readers = [Reader(belt, stages, name) for name in ("a", "b", "c")]
    await asyncio.gather(*(one.until(30) for one in readers))
    shares = [one.published for one in readers]
    assert max(shares) < 1.2 * min(shares)
    assert max(readers[0].waits[10:]) < 1.5


async def test_a_mail_server_that_does_not_answer_keeps_its_room_for_seconds_only() -> None:
    stages = Stages(300)
    belt = belt_of(stages)
    for _ in range(2):
        await belt.enter(belt.batch, few=False)
    began = stages.now
    await belt.enter(belt.batch, few=False)
    assert PROMISE_SECONDS <= stages.now - began < PROMISE_SECONDS + 2


async def test_slow_mail_servers_do_not_make_the_stages_look_slow() -> None:
    """The ledger is asked seldom then: what has left meanwhile may have left at once."""
    stages = Stages(300)
    reader = Reader(belt_of(stages), stages)
    for _ in range(20):
        await reader.batch(fetching=2.5)
    assert reader.belt.room >= 100


def test_the_room_follows_what_the_stages_got_through() -> None:
    assert decide.room(100, 300, 2, 2.1, 1, 2000) == 125, "half way to the 150 of a second"
    assert decide.room(100, 90, 0.2, 0.3, 1, 2000) == 200, "half way to the 300 of a second"
    assert decide.room(500, 20, 0.1, 0.2, 1, 2000) == 500, "they may have been idle"
    assert decide.room(500, 500, 0.9, 1.1, 1, 2000) == 500, "it is as it should be"
    assert decide.room(40, 10, 100, 101, 1, 2000) == decide.LEAST
    assert decide.room(1900, 1900, 0, 0.001, 1, 2000) == 2000


async def test_what_is_published_while_the_ledger_is_asked_is_not_lost_sight_of() -> None:
    stages = Stages(1e-9)
    belt = belt_of(stages, seconds=LOOK_SECONDS[0] / 2)
    stages.take(ids("first", 100))
    belt.carries(ids("first", 100), 0, few=False)
    entering = asyncio.create_task(belt.enter(50, few=False))
    answer = stages.on_the_way

    async def slowly(mail_ids: Iterable[str]) -> frozenset[str]:
        found = await answer(mail_ids)
        stages.take(ids("second", 100))
        belt.carries(ids("second", 100), 0, few=False)
        stages.decided_at.update(dict.fromkeys(ids("first", 100), 0.0))
        stages.on_the_way = answer
        return found

    stages.on_the_way = slowly
    for _ in range(100):
        await asyncio.sleep(0)
    assert not entering.done(), "the second hundred is on the way"
    entering.cancel()
