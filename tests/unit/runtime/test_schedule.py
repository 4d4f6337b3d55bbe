"""Counting grows with the books; its share of the time does not."""

from datetime import UTC, datetime

import pytest

from shared.domain.errors import BrokerUnavailable, StoreUnavailable, Transient
from shared.runtime.process import Process
from shared.runtime.schedule import COUNTING, LONGEST, every, pause
from tests.support.embedded_store import FakeClock


def test_work_that_is_quickly_done_is_done_as_often_as_was_asked_for() -> None:
    assert pause(15, 0.2, COUNTING) == 15


@pytest.mark.parametrize("took", [2.0, 10.0, 30.0])
def test_work_that_takes_long_has_its_share_of_the_time_and_no_more(took: float) -> None:
    assert took / (took + pause(15, took, COUNTING)) == pytest.approx(COUNTING)


def test_what_has_all_the_time_waits_no_longer_however_long_it_takes() -> None:
    assert pause(5, 60) == 5


def test_nothing_is_put_off_for_long() -> None:
    assert pause(15, 3600, COUNTING) == LONGEST


class Hasty(Process):
    """Pauses are written down, not waited for; it drains with the third."""

    def __init__(self, clock: FakeClock) -> None:
        super().__init__("bookkeeper", {}, clock)
        self.pauses: list[float] = []

    async def pause(self, seconds: float) -> bool:
        self.pauses.append(seconds)
        if len(self.pauses) == 3:
            self.draining.set()
        return self.draining.is_set()


async def test_work_is_done_again_and_again_within_its_share() -> None:
    clock, done = FakeClock(datetime(2026, 3, 1, tzinfo=UTC)), list[str]()

    async def quick() -> None:
        done.append("quick")

    async def slow() -> None:
        done.append("slow")
        clock.advance(seconds=5)

    process = Hasty(clock)
    await every(process, 15, quick, slow, share=COUNTING)
    assert done == ["quick", "slow"] * 3
    assert process.pauses == pytest.approx([45.0] * 3)
    assert process.readiness()["store"]


@pytest.mark.parametrize(("error", "store"), [(StoreUnavailable, False), (BrokerUnavailable, True)])
async def test_what_waited_half_a_minute_for_a_server_that_is_away_is_tried_as_soon_as_ever(
    error: type[Transient], store: bool
) -> None:
    """And what comes behind it is done all the same."""
    clock, done = FakeClock(datetime(2026, 3, 1, tzinfo=UTC)), list[str]()

    async def waits() -> None:
        clock.advance(seconds=30)
        raise error("it is away")

    async def next_one() -> None:
        done.append("done")

    process = Hasty(clock)
    await every(process, 15, next_one, waits, share=COUNTING)
    assert process.pauses == [15] * 3
    assert done == ["done"] * 3
    assert process.readiness()["store"] is store
