"""Crash points and the list of them say the same, so that a run over the list is a run over all of them; and every
durable step has one."""

import re
from collections import Counter
from pathlib import Path

import pytest

from shared.observability import crash_points
from shared.observability.crash_points import POINTS
from tests.architecture.durable_steps import Lint, store_writes
from tests.chaos.provoke import BESIDES, ELSEWHERE, PROVOKED, TRAFFIC

ROOT = Path(__file__).parents[2]


def test_each_point_stands_once_in_the_code_and_there_is_no_other() -> None:
    code = [file.read_text() for part in ("services", "shared") for file in (ROOT / part).rglob("*.py")]
    found = Counter(name for text in code for name in re.findall(r'crash_point\("([^"]+)"\)', text))
    assert found == dict.fromkeys(POINTS, 1)


def test_each_point_has_its_provocation_or_the_test_that_comes_by_it() -> None:
    """Else S1 would run over a list that is not all of them."""
    assert sorted((*TRAFFIC, *PROVOKED, *ELSEWHERE)) == sorted(POINTS)
    assert BESIDES.keys() <= PROVOKED.keys()
    assert [point for point, file in ELSEWHERE.items() if f'"{point}"' not in (ROOT / file).read_text()] == []


def test_a_plan_that_names_no_point_is_refused(tmp_path: Path) -> None:
    plan = tmp_path / "plan"
    plan.write_text("fetcher.nowhere:1:marker")
    with pytest.raises(ValueError, match="no crash point"):
        crash_points.arm_by(plan)


def test_without_a_plan_nothing_happens(tmp_path: Path) -> None:
    crash_points.arm_by(tmp_path / "nothing")
    for name in POINTS:
        crash_points.crash_point(name)


WITHOUT_POINTS = {
    ("shared/runtime/stage.py", "doors"): "a hint to look at the configuration, on a queue that goes with the process",
}
"""Functions whose last step needs no crash point, and why."""
WITHOUT_LINT = {
    "services/console": "its writes are a person's: who is told that one failed, or nothing, looks and gives it again",
    "services/all_in_one": "starts processes and writes nothing of mail",
}
"""Services that are exempt as a whole, and why."""


def _modules() -> list[Path]:
    parts = ("services", "shared/runtime", "shared/oauth")
    found = [file for part in parts for file in sorted((ROOT / part).rglob("*.py"))]
    return [file for file in found if not any(file.is_relative_to(ROOT / exempt) for exempt in WITHOUT_LINT)]


def test_every_durable_step_is_followed_by_a_crash_point() -> None:
    """A new one gets one: where power may fail between two writes, a run over all points makes it fail."""
    lint = Lint()
    found = {(str(file.relative_to(ROOT)), one) for file in _modules() for one in lint.unfollowed(file.read_text())}
    wrong = [
        f"{file}:{one.line} {one.call} in {one.function}"
        for file, one in found
        if (file, one.function) not in WITHOUT_POINTS
    ]
    assert sorted(wrong) == []
    assert {(file, one.function) for file, one in found} == set(WITHOUT_POINTS), "an exemption that nothing needs"


def test_nothing_is_called_like_a_step_of_the_store_without_being_known() -> None:
    """Else a part of the store under another name would escape the lint: say which part it is, or that it is none."""
    lint = Lint()
    assert {one for file in _modules() for one in lint.strangers(file.read_text())} == set()


def test_the_writing_methods_are_found_in_the_store_itself() -> None:
    found = store_writes()
    assert {"insert_many", "decide_many", "claim", "mark_done"} <= found["ledger"]
    assert {"get", "get_many", "due"}.isdisjoint(found["ledger"])
    assert found["raw"] == {"put_many", "delete_many"}, "it writes through private methods"


BETWEEN = """
async def two(self):
    await self._ledger.claim(entry)
    {between}
    await self._broker.publish_all(burst)
    crash_point("a.b")
"""


@pytest.mark.parametrize(
    ("between", "wrong"),
    [
        pytest.param("pass", ["ledger.claim"], id="no point between two steps"),
        pytest.param('crash_point("a.a")', [], id="a point between them"),
        pytest.param('if claimed:\n        crash_point("a.a")', [], id="a point where there was something to write"),
        pytest.param('if not claimed:\n        return\n    crash_point("a.a")', ["ledger.claim"], id="a way out"),
    ],
)
def test_the_lint_bites_between_two_steps(between: str, wrong: list[str]) -> None:
    assert [one.call for one in Lint().unfollowed(BETWEEN.format(between=between))] == wrong


CALLED = """
class Some:
    async def first(self):
        await self._second()
        {after}

    async def _second(self):
        await delivery.ack()
"""


def test_the_lint_bites_at_the_end_of_a_function_unless_its_caller_has_the_point() -> None:
    assert [one.function for one in Lint().unfollowed(CALLED.format(after="pass"))] == ["first"]
    assert Lint().unfollowed(CALLED.format(after='crash_point("a.a")')) == []


def test_the_lint_asks_for_the_name_of_an_unknown_part_of_the_store() -> None:
    source = "async def some(books):\n    await books.mark_published(ids)\n"
    assert Lint().strangers(source) == {"books.mark_published"}
