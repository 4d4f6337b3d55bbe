"""What the first page makes of the numbers: sums that still add up, no hole in time, latencies in words."""

from datetime import timedelta

import pytest

from services.console.web.overview import ROWS, Line, daily, hourly, seconds, shortened, speed, summed
from shared.domain.statistics import Hour
from tests.support.builders import AT


def line(name: str, mails: int = 1, unaccounted: int = 0) -> Line:
    return Line(name, (mails, 0, 0, 0, 0, 0), unaccounted)


def test_many_mailboxes_are_shortened_and_the_sum_stays() -> None:
    lines = [line(f"m{n}", mails=n) for n in range(40)]
    shown = shortened(lines)
    assert (len(shown), shown[0].name, shown[-1].name) == (ROWS + 1, "m39", "28 others")
    assert summed("Total", shown) == summed("Total", lines)


def test_a_mailbox_that_does_not_balance_is_first() -> None:
    lines = [line(f"m{n}", mails=100) for n in range(20)]
    assert shortened([*lines, line("lost", unaccounted=1)])[0].name == "lost"


def test_hours_and_days_without_mail_stand_there_empty() -> None:
    outcomes = {"ticket": 2, "duplicate": 1, "rejected": 4, "quarantined": 1, "in_flight": 1}
    shown = hourly([Hour(start=AT, outcomes=outcomes)], AT + timedelta(minutes=9))
    assert (len(shown), shown[-1].parts, shown[0].parts) == (24, (3, 4, 2), (0, 0, 0))
    days = daily({"2026-03-01": 9}, AT)
    assert (len(days), days[-1].name, days[-1].total, days[0].total) == (14, "01 Mar", 9, 0)


def test_the_speed_is_that_of_the_last_hour_with_a_ticket() -> None:
    quiet = Hour(start=AT, outcomes={})
    busy = Hour(start=AT - timedelta(hours=1), outcomes={"ticket": 1}, median_seconds=2, p95_seconds=3)
    assert speed((busy, quiet)) == busy
    assert speed((quiet,)) is None


@pytest.mark.parametrize(
    ("value", "words"), [(None, "–"), (2.94, "2.9 s"), (59, "59 s"), (120, "2 min"), (9000, "2.5 h")]
)
def test_a_latency_is_told_in_words(value: float | None, words: str) -> None:
    assert seconds(value) == words
