"""Calls that come while one is under way are carried together, and each gets what is its own."""

import asyncio
from collections.abc import Sequence

import pytest

from shared.store.together import MOST, Together


class Counter:
    """Doubles numbers once it may. Refuses 13, with all that came with it."""

    def __init__(self) -> None:
        self.may = asyncio.Event()
        self.may.set()
        self.carried: list[tuple[int, ...]] = []
        self.together = Together(self._carry)

    async def _carry(self, numbers: Sequence[int]) -> Sequence[int]:
        self.carried.append(tuple(numbers))
        await self.may.wait()
        if 13 in numbers:
            raise ValueError("13")
        return [number * 2 for number in numbers]


async def under_way(counter: Counter) -> None:
    """The first call is carried and waits for its leave."""
    while not counter.carried:
        await asyncio.sleep(0)


async def test_one_that_comes_alone_is_carried_alone() -> None:
    """Nothing waits for company."""
    counter = Counter()
    assert [await counter.together(1), await counter.together(2)] == [2, 4]
    assert counter.carried == [(1,), (2,)]


async def test_what_comes_while_one_is_under_way_goes_together_next() -> None:
    """Each caller gets its own answer."""
    counter = Counter()
    counter.may.clear()
    first = asyncio.create_task(counter.together(1))
    await under_way(counter)
    others = [asyncio.create_task(counter.together(number)) for number in (2, 3, 4)]
    await asyncio.sleep(0)
    counter.may.set()
    assert await asyncio.gather(first, *others) == [2, 4, 6, 8]
    assert counter.carried == [(1,), (2, 3, 4)]


async def test_only_so_many_go_together() -> None:
    """A burst is no single huge message to the store."""
    counter = Counter()
    numbers = range(100, 100 + 2 * MOST)
    assert await asyncio.gather(*map(counter.together, numbers)) == [2 * number for number in numbers]
    assert [len(one) for one in counter.carried] == [MOST, MOST]


async def test_what_is_wrong_with_one_is_no_trouble_of_its_neighbours() -> None:
    """They are tried one by one; the next call finds everything in order."""
    counter = Counter()
    results = await asyncio.gather(*map(counter.together, (1, 13, 2)), return_exceptions=True)
    assert [results[0], str(results[1]), results[2]] == [2, "13", 4]
    with pytest.raises(ValueError, match="13"):
        await counter.together(13)
    assert await counter.together(3) == 6


async def test_a_caller_that_goes_away_takes_nobody_with_it() -> None:
    """Neither while its call is under way nor while it waits; what it asked for is done all the same."""
    counter = Counter()
    counter.may.clear()
    gone = [asyncio.create_task(counter.together(number)) for number in (1, 2)]
    stays = asyncio.create_task(counter.together(3))
    await under_way(counter)
    later = asyncio.create_task(counter.together(4))
    await asyncio.sleep(0)
    for task in gone:
        task.cancel()
    counter.may.set()
    assert await asyncio.gather(stays, later) == [6, 8]
    assert counter.carried == [(1, 2, 3), (4,)]
    assert all(task.cancelled() for task in gone)


async def test_who_waits_when_the_process_ends_is_let_go() -> None:
    """And whoever comes after that is served."""
    counter = Counter()
    counter.may.clear()
    waiting = [asyncio.create_task(counter.together(number)) for number in range(2 * MOST)]
    await under_way(counter)
    (work,) = (task for task in asyncio.all_tasks() if "_until_done" in repr(task))
    work.cancel()
    await asyncio.wait(waiting, timeout=5)
    assert all(task.cancelled() for task in waiting)
    counter.may.set()
    assert await counter.together(1) == 2
