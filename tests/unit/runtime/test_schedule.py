"""Counting grows with the books; its share of the time does not."""

import pytest

from shared.runtime.schedule import COUNTING, LONGEST, pause


def test_work_that_is_quickly_done_is_done_as_often_as_was_asked_for() -> None:
    assert pause(15, 0.2, COUNTING) == 15


@pytest.mark.parametrize("took", [2.0, 10.0, 30.0])
def test_work_that_takes_long_has_its_share_of_the_time_and_no_more(took: float) -> None:
    assert took / (took + pause(15, took, COUNTING)) == pytest.approx(COUNTING)


def test_what_has_all_the_time_waits_no_longer_however_long_it_takes() -> None:
    assert pause(5, 60) == 5


def test_nothing_is_put_off_for_long() -> None:
    assert pause(15, 3600, COUNTING) == LONGEST
