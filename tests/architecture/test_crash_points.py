"""Crash points and the list of them say the same, so that a run over the list is a run over all of them."""

import re
from collections import Counter
from pathlib import Path

import pytest

from shared.observability import crash_points
from shared.observability.crash_points import POINTS

ROOT = Path(__file__).parents[2]


def test_each_point_stands_once_in_the_code_and_there_is_no_other() -> None:
    code = [file.read_text() for part in ("services", "shared") for file in (ROOT / part).rglob("*.py")]
    found = Counter(name for text in code for name in re.findall(r'crash_point\("([^"]+)"\)', text))
    assert found == dict.fromkeys(POINTS, 1)


def test_a_plan_that_names_no_point_is_refused(tmp_path: Path) -> None:
    plan = tmp_path / "plan"
    plan.write_text("fetcher.nowhere:1:marker")
    with pytest.raises(ValueError, match="no crash point"):
        crash_points.arm_by(plan)


def test_without_a_plan_nothing_happens(tmp_path: Path) -> None:
    crash_points.arm_by(tmp_path / "nothing")
    for name in POINTS:
        crash_points.crash_point(name)
