"""However many mailboxes there are, /metrics has a bound, and what is folded is still true."""

from collections import Counter

import pytest
from prometheus_client.parser import text_string_to_metric_families

from shared.observability.mailbox_series import MOST
from shared.observability.metrics import SERVICES, Metrics
from shared.store.ledger_documents import OUTCOMES
from tests.support.cost import within

MAILBOXES = [f"mailbox-{number:05}" for number in range(10_000)]


def value(metrics: Metrics, name: str, **labels: str) -> float | None:
    return metrics.registry.get_sample_value(f"mail_automator_{name}", labels)


def test_the_first_by_name_have_series_of_their_own_and_the_others_share_one() -> None:
    """A gauge shows the worst of them, a counter the sum; in every process the same ones are folded."""
    metrics = Metrics("fetcher", "0", mailboxes=2)
    assert metrics.shown.follow(["d", "c", "b", "a"]) == 2
    for at, name in enumerate("abcd"):
        metrics.mailbox_last_success.labels(name).set(100 + at)
        metrics.mailbox_up.labels(name).set(0 if name == "d" else 1)
        metrics.mailbox_auth_rejected.labels(name).set(1 if name == "c" else 0)
        metrics.mailbox_lag.labels(name).set(10)
        metrics.mails_fetched.labels(name).inc(5)
    last = "mailbox_last_success_timestamp_seconds"
    assert [value(metrics, last, mailbox=one) for one in ("a", "b", "c", "_other")] == [100, 101, None, 102]
    assert value(metrics, "mailbox_up", mailbox="_other") == 0
    assert value(metrics, "mailbox_auth_rejected", mailbox="_other") == 1
    assert value(metrics, "mailbox_lag_messages", mailbox="_other") == 20
    assert value(metrics, "mails_fetched_total", mailbox="_other") == 10


def test_what_nobody_reads_any_more_leaves_the_gauge() -> None:
    """With all its labels; the others stay."""
    metrics = Metrics("fetcher", "0")
    for name in "ab":
        for what in ("certificate", "client_secret"):
            metrics.credential_expiry.labels(name, what).set(1)
    metrics.credential_expiry.remove("a", "certificate")
    metrics.credential_expiry.remove("b")
    expiry = "credential_expiry_timestamp_seconds"
    assert value(metrics, expiry, mailbox="a", credential="certificate") is None
    assert value(metrics, expiry, mailbox="a", credential="client_secret") == 1
    assert value(metrics, expiry, mailbox="b", credential="client_secret") is None


def test_a_counter_of_other_mailboxes_never_goes_back_and_that_of_a_deleted_one_goes() -> None:
    """Folded when it counts, so that a deletion is no reset."""
    metrics = Metrics("fetcher", "0", mailboxes=1)
    metrics.shown.follow(["a", "b", "c"])
    for name in "abc":
        metrics.mails_fetched.labels(name).inc(3)
    metrics.shown.follow(["b", "c"])
    assert value(metrics, "mails_fetched_total", mailbox="a") is None
    assert value(metrics, "mails_fetched_total", mailbox="_other") == 6
    metrics.mails_fetched.labels("b").inc()
    assert value(metrics, "mails_fetched_total", mailbox="b") == 1


def test_the_books_of_deleted_mailboxes_are_added_up_among_the_others() -> None:
    """They stay in the ledger; the books shown must still add up."""
    metrics = Metrics("bookkeeper", "0")
    metrics.shown.follow(["a"])
    metrics.books.show({("a", "ticket"): 1, ("gone", "ticket"): 2, ("long-gone", "ticket"): 3})
    assert value(metrics, "books_mails", mailbox="a", outcome="ticket") == 1
    assert value(metrics, "books_mails", mailbox="_other", outcome="ticket") == 5
    metrics.books.show({("a", "ticket"): 1})
    assert value(metrics, "books_mails", mailbox="_other", outcome="ticket") is None


def full(service: str) -> Metrics:
    """A service that has met every mailbox, in every metric that has the label."""
    metrics = Metrics(service, "0")
    metrics.mailboxes_folded.set(metrics.shown.follow(MAILBOXES))
    gauges = (
        *(metrics.mailbox_up, metrics.mailbox_last_success, metrics.mailbox_lag, metrics.mailbox_auth_rejected),
        *(metrics.mailbox_sign_in_needed, metrics.oauth_token_expiry, metrics.mailbox_held, metrics.smtp_up),
        metrics.mailbox_active,
    )
    for name in MAILBOXES:
        for gauge in gauges:
            gauge.labels(name).set(1)
        for what in ("certificate", "client_secret"):
            metrics.credential_expiry.labels(name, what).set(1)
        for outcome in (*OUTCOMES, "unaccounted"):
            metrics.books.labels(name, outcome).set(1)
        metrics.mails_fetched.labels(name).inc()
        metrics.mailbox_auth_failures.labels(name).inc()
        for how in ("by_headers", "by_identity", "unknown"):
            metrics.mailbox_reappeared.labels(name, how).inc()
        for state in ("hole", "vanished", "earlier"):
            metrics.mailbox_untaken.labels(name, state).inc()
        for reason in ("network", "refused", "throttled"):
            metrics.smtp_failures.labels(name, reason).inc()
    return metrics


@pytest.mark.parametrize("service", SERVICES)
def test_ten_thousand_mailboxes_cost_no_more_than_the_cap(service: str) -> None:
    """Per metric and other labels at most one series more than the cap; 2 MB and the cost of 300 mails at most."""
    metrics = full(service)
    text = within(300, metrics.exposition)
    per_family: Counter[tuple[str, ...]] = Counter()
    for family in text_string_to_metric_families(text.decode()):
        for sample in family.samples:
            if "mailbox" in sample.labels:
                others = sorted(value for key, value in sample.labels.items() if key != "mailbox")
                per_family[(sample.name, *others)] += 1
    print(f"{service}: {sum(per_family.values())} series by mailbox, {len(text)} bytes")
    assert all(series == MOST + 1 for series in per_family.values())
    assert bool(per_family) == (service in ("fetcher", "bookkeeper", "notifier"))
    assert len(text) < 2_000_000
