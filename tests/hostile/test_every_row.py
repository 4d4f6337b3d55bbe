"""Every row of hostile and odd input is proven by a test that names it, and no test names a row that is none."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from tests.hostile.mails import ROWS

LAST = 86
TESTS = Path(__file__).parents[1]
_NAMED = re.compile(r"test_row_(\d+)_")


def _tests(tree: ast.AST) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_"):
            yield node


def _marked(test: ast.FunctionDef | ast.AsyncFunctionDef) -> Iterator[object]:
    """What stands in `@pytest.mark.row(...)`."""
    for one in test.decorator_list:
        if isinstance(one, ast.Call) and ast.unparse(one.func) == "pytest.mark.row":
            yield from (ast.literal_eval(number) for number in one.args)


def _named() -> dict[object, set[str]]:
    """The tests by the row that they name, in `test_row_75_...` or by the marker `row(75)`."""
    found: dict[object, set[str]] = {one.number: {"tests/hostile/mails.py"} for one in ROWS}
    for file in sorted(TESTS.rglob("test_*.py")):
        for test in _tests(ast.parse(file.read_text(encoding="utf-8"))):
            by_name = _NAMED.match(test.name)
            for number in (*([int(by_name[1])] if by_name else []), *_marked(test)):
                found.setdefault(number, set()).add(f"{file.relative_to(TESTS.parent)}::{test.name}")
    return found


def test_each_row_is_named_by_a_test_and_no_number_is_made_up() -> None:
    assert set(_named()) == set(range(1, LAST + 1))
