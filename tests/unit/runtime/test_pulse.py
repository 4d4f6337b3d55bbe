"""When a work loop counts as hung, by a clock that the test moves."""

import asyncio
import math

import pytest

from shared.runtime.pulse import WAITING_SECONDS, WORKING_SECONDS, Pulse


class Hand:
    """The hand of a clock."""

    def __init__(self) -> None:
        self.at = 1000.0

    def __call__(self) -> float:
        return self.at


@pytest.fixture
def hand() -> Hand:
    return Hand()


@pytest.fixture
def pulse(hand: Hand) -> Pulse:
    return Pulse(hand)


def test_a_process_without_named_loops_is_one_itself(pulse: Pulse, hand: Hand) -> None:
    hand.at += WAITING_SECONDS - 1
    assert pulse.hung() == ()
    hand.at += 1
    assert pulse.hung() == ("the work loop main hangs: waiting for work, nothing done for 60 s",)
    pulse.tick()
    assert pulse.hung() == ()


def test_a_loop_at_work_may_be_silent_for_longer_and_says_what_it_is_at(pulse: Pulse, hand: Hand) -> None:
    with pulse.loop("filter 1"):
        with pulse.at("a batch of 100"):
            hand.at += WORKING_SECONDS - 1
            assert pulse.hung() == ()
            hand.at += 1
            assert pulse.hung() == ("the work loop filter 1 hangs: a batch of 100, nothing done for 300 s",)
        assert pulse.hung() == (), "it has come to its end after all"
        hand.at += WAITING_SECONDS
        assert len(pulse.hung()) == 1, "behind its work the shorter limit counts again"


def test_a_pause_within_work_is_no_hanging_and_what_was_before_counts_behind_it(pulse: Pulse, hand: Hand) -> None:
    with pulse.loop("filter 1"), pulse.at("a batch of 100"):
        with pulse.at("a pause", within=math.inf):
            hand.at += 10 * WORKING_SECONDS
            assert pulse.hung() == ()
        hand.at += WORKING_SECONDS
        assert "a batch of 100" in pulse.hung()[0]


async def test_no_loop_hides_another(pulse: Pulse, hand: Hand) -> None:
    """Each task ticks for its own loop; so do the tasks that it starts."""
    stuck, end = asyncio.Event(), asyncio.Event()

    async def child() -> None:
        pulse.tick()

    async def run(name: str, ticks: bool) -> None:
        with pulse.loop(name):
            stuck.set()
            while not end.is_set():
                if ticks:
                    await asyncio.create_task(child())
                await asyncio.sleep(0)

    tasks = [asyncio.create_task(run("good", True)), asyncio.create_task(run("bad", False))]
    await stuck.wait()
    await asyncio.sleep(0)
    hand.at += WAITING_SECONDS
    for _ in range(5):
        await asyncio.sleep(0)
    assert [one.split()[3] for one in pulse.hung()] == ["bad"]
    end.set()
    await asyncio.gather(*tasks)
    assert pulse.hung() == (), "a loop that has ended is none"
