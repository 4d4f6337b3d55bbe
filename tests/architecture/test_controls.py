"""The negative controls fit the code: each names a probe that exists, and text that stands there exactly once."""

from pathlib import Path

import pytest

from tests.chaos.controls import CONTROLS
from tests.chaos.controls.control import Control
from tests.chaos.scenarios import SCENARIOS

ROOT = Path(__file__).parents[2]


def test_each_control_has_a_name_of_its_own() -> None:
    names = [one.name for one in CONTROLS]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("control", CONTROLS, ids=lambda one: one.name)
def test_what_a_control_switches_off_stands_exactly_once_in_the_code(control: Control) -> None:
    assert control.patches
    assert [patch.old for patch in control.patches if not patch.fits(ROOT)] == []


@pytest.mark.parametrize("control", CONTROLS, ids=lambda one: one.name)
def test_what_remains_without_the_safety_is_still_python(control: Control) -> None:
    code = {patch.file: (ROOT / patch.file).read_text() for patch in control.patches}
    for patch in control.patches:
        code[patch.file] = code[patch.file].replace(patch.old, patch.new)
    for file, text in code.items():
        compile(text, file, "exec")


@pytest.mark.parametrize("probe", sorted({one.probe for one in CONTROLS}))
def test_the_probe_of_a_control_exists(probe: str) -> None:
    file, _, test = probe.partition("::")
    known = {one.name for one in SCENARIOS}
    assert f"def {test}(" in (ROOT / file).read_text() if test else probe in known
