"""What the runbooks say of parts that stand still is about all of them; tests/e2e/test_monitoring.py tries each."""

from services.all_in_one.settings import PIPELINE
from tests.support.monitoring import alerts, stands_still
from tests.support.prometheus import shortened


def test_the_table_of_the_runbooks_is_about_every_part_and_names_alerts() -> None:
    """A service that is added must be tried too."""
    table = stands_still()
    assert set(table) == {*PIPELINE, "broker", "store", "mail server"}
    assert {alert for fires, may in table.values() for alert in (*fires, *may)} <= set(alerts())


def test_shortened_rules_differ_in_nothing_but_their_durations() -> None:
    """Windows keep room for two samples; thresholds in minutes shrink, those in days do not."""
    rule = "rate(x[1m]) > 0 and age > 15 * 60 and left < 14 * 86400 and y[3d]\nfor: 2m"
    assert shortened(rule, 25) == "rate(x[4s]) > 0 and age > 36 and left < 14 * 86400 and y[10368s]\nfor: 5s"
