"""docs/reference/metrics.md tells every metric there is: it is written from the catalogue itself.

Write it anew with `python -m tests.unit.observability.test_metrics_page`.
"""

from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from services.all_in_one.settings import PIPELINE
from shared.observability.metrics import SERVICES, WORKERS, Declared, Metrics

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "metrics.md"

HEAD = """# Metrics

Every service has them on its admin port at `/metrics`, each only those that are its own. This page is written from the
catalogue (`shared/observability/metrics.py`) by `tests/unit/observability/test_metrics_page.py`. What to make of them:
[monitoring.md](../monitoring.md).

A histogram `x` has the series `x_bucket`, `x_sum` and `x_count`. `workers` are fetcher, filter, classifier,
ticket_writer, notifier and bookkeeper; `all` is the console too. Beside these each process has Prometheus' usual
`process_*` and `python_gc_*`.

The label `mailbox` is a mailbox's name. The first `MAIL_AUTOMATOR_METRICS_MAILBOXES` (500) by name have series of their
own, the others share `mailbox="_other"`, in which a gauge shows the worst of them, or their sum where that says more,
and a counter their sum. Set it to the same value for every service. No other label grows with what is configured or
with what arrives.

| metric | type | labels | services | meaning |
|---|---|---|---|---|
"""


def page() -> str:
    return HEAD + "\n".join(map(_row, Metrics("docs", "0").declared)) + "\n"


def _row(one: Declared) -> str:
    services = {SERVICES: "all", WORKERS: "workers"}.get(one.services, ", ".join(one.services))
    labels = ", ".join(f"`{label}`" for label in one.labels)
    return f"| `{one.name}` | {one.kind} | {labels} | {services} | {one.text} |"


def test_the_metrics_page_is_what_the_catalogue_says() -> None:
    """A new metric is a new line there."""
    assert PAGE.read_text() == page()


def test_the_services_of_the_catalogue_are_those_there_are() -> None:
    """A service that is not known there would expose everything."""
    assert set(SERVICES) == set(PIPELINE)


def test_each_service_exposes_what_the_page_says_and_nothing_else() -> None:
    """The families in the text, for each service."""
    for service in SERVICES:
        metrics = Metrics(service, "0")
        shown = text_string_to_metric_families(metrics.exposition().decode())
        found = {one.name.removesuffix("_total") for one in shown if one.name.startswith("mail_automator_")}
        said = {one.name.removesuffix("_total") for one in metrics.declared if service in one.services}
        assert found == said, service


if __name__ == "__main__":
    PAGE.write_text(page())
