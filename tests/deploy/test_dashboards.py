"""The dashboards are what the script writes, and ask for what exists. That they show something: tests/e2e."""

from collections import Counter

import pytest

from deploy.monitoring.build_dashboards import DASHBOARDS, FOLDER, Dashboard, document, path, text
from tests.support.monitoring import panels, recorded
from tests.support.promql import faults

OF_EVERY_PROCESS = {"process_resident_memory_bytes", "process_cpu_seconds_total", "ALERTS"}


@pytest.mark.parametrize("dashboard", DASHBOARDS, ids=lambda one: one.uid)
def test_a_dashboard_is_what_the_script_writes(dashboard: Dashboard) -> None:
    """Change the description, then `python -m deploy.monitoring.build_dashboards`."""
    assert path(dashboard).read_text() == text(dashboard)


def test_there_is_no_dashboard_that_the_script_does_not_write() -> None:
    assert set(FOLDER.glob("*.json")) == {path(one) for one in DASHBOARDS}


@pytest.mark.parametrize("dashboard", DASHBOARDS, ids=lambda one: one.uid)
def test_panels_stand_beside_and_below_each_other(dashboard: Dashboard) -> None:
    """None over another, none outside the 24 columns; each says what it shows."""
    cells: Counter[tuple[int, int]] = Counter()
    for panel in document(dashboard)["panels"]:
        place = panel["gridPos"]
        assert panel["description"]
        assert place["x"] + place["w"] <= 24
        cells.update(
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        )
    assert max(cells.values()) == 1


@pytest.mark.parametrize("panel", panels(), ids=lambda one: f"{one.dashboard}-{one.title}")
def test_a_panel_asks_for_metrics_that_exist(panel: tuple[str, str, str]) -> None:
    assert [one for one in faults(panel[2], recorded()) if one not in OF_EVERY_PROCESS] == []
