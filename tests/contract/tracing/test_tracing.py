"""Tracing against a real collector and a real broker; and that nothing of it is there where it is off."""

import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import pytest
import structlog
from pydantic import SecretStr

from shared.broker import topology
from shared.broker.client import Broker
from shared.broker.delivery import Delivery
from shared.broker.messages import Outgoing
from shared.broker.settings import BrokerSettings
from shared.broker.spans import received
from shared.contracts.codec import Envelope, encode
from shared.domain import identity
from shared.domain.errors import BrokerUnavailable, ConfigurationError
from shared.domain.trace_context import TraceContext
from shared.observability.metrics import Metrics
from shared.observability.otel import OpenTelemetry, over_http
from shared.observability.tracing import Tracing
from shared.runtime.settings import TracingSettings, read
from shared.runtime.tracing import start
from tests.support.builders import accepted
from tests.support.canary import WORD
from tests.support.otlp import collecting

ROOT = Path(__file__).parents[3]
ENDPOINT = "MAIL_AUTOMATOR_TRACING_ENDPOINT"
FOREIGN = TraceContext("4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7", False)


def tracing_to(url: str, ratio: float = 1.0) -> OpenTelemetry:
    return over_http(f"{url}/v1/traces", {}, ratio, {"service.name": "test"})


def ran(script: str, environ: Mapping[str, str]) -> tuple[int, str]:
    """Run a script in a process of its own: exit code and everything it said."""
    environ = {"PATH": "/usr/bin:/bin", "PYTHONPATH": str(ROOT), **environ}
    done = subprocess.run(
        [sys.executable, "-c", script], env=environ, capture_output=True, text=True, timeout=60, check=False
    )
    return done.returncode, done.stdout + done.stderr


SERVICE = """
import sys
{before}
from shared.runtime.process import run_service
import services.fetcher.app, services.filter.app, services.notifier.app

async def main(process):
    print("tracing", process.tracing, "sdk", [one for one in sys.modules if one.startswith("opentelemetry.sdk")])
    {then}

run_service("filter", main)
"""


def test_off_by_default_nothing_of_the_sdk_is_imported() -> None:
    code, said = ran(SERVICE.format(before="", then="pass"), {})
    assert code == 0, said
    assert "tracing None sdk []" in said


def test_switched_on_without_its_packages_a_service_says_what_to_install() -> None:
    before = "sys.modules['opentelemetry.sdk'] = sys.modules['opentelemetry.exporter'] = None"
    code, said = ran(SERVICE.format(before=before, then="pass"), {ENDPOINT: "http://127.0.0.1:9"})
    assert code == 78, said
    assert "pip install 'mail-automator[tracing]'" in said
    assert "Traceback" not in said


def test_a_service_that_ends_hands_over_what_it_has() -> None:
    """At once, not when the next batch would be due."""
    then = 'process.tracing.begin("fetch", "fetch", "m1", {}).end()'
    with collecting() as collector:
        code, said = ran(SERVICE.format(before="", then=then), {ENDPOINT: collector.url})
        assert code == 0, said
        (span,) = collector.spans
    assert (span.service, span.trace_id) == ("mail-automator-filter", identity.trace_id("m1"))


def test_a_collector_that_is_away_does_not_hold_up_the_end() -> None:
    tracing = tracing_to("http://127.0.0.1:9")
    tracing.begin("fetch", "fetch", "m1", {}).end()
    began = time.monotonic()
    tracing.close(0.5)
    assert time.monotonic() - began < 5


def test_a_collector_that_refuses_is_told_of_once_and_so_is_that_it_is_back() -> None:
    """One line each, without the address's path: keys may stand in it."""
    with collecting() as collector, structlog.testing.capture_logs() as lines:
        tracing = tracing_to(collector.url)
        for away in (True, True, False, False):
            collector.away = away
            tracing.begin("fetch", "fetch", "m1", {}).end()
            tracing.flush()
        tracing.close(5)
    where = collector.url.removeprefix("http://")
    assert [(one["event"], one["where"]) for one in lines] == [
        ("traces_not_taken", where),
        ("traces_taken_again", where),
    ]


def test_headers_go_with_each_request_and_stay_secret() -> None:
    with collecting() as collector:
        headers = SecretStr(f"x-key={WORD}, x-tenant=desk")
        tracing = start("test", "1", TracingSettings(endpoint=collector.url, headers=headers))
        assert tracing is not None
        tracing.begin("fetch", "fetch", "m1", {}).end()
        tracing.close(5)
        (request,) = collector.requests
    assert (request["x-key"], request["x-tenant"]) == (WORD, "desk")


@pytest.mark.parametrize("given", ["", "=\x07", ",b"])
def test_headers_that_are_none_are_refused_without_being_repeated(given: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        start("test", "1", TracingSettings(endpoint="http://c", headers=SecretStr(f"{WORD}{given}")))
    assert WORD not in caught.value.line()


@pytest.mark.parametrize("wrong", ["collector:4317", "ftp://collector", "http://c/?x=1"])
def test_an_endpoint_that_is_no_address_is_refused(wrong: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(ENDPOINT, wrong)
    with pytest.raises(ConfigurationError, match="TRACING_ENDPOINT"):
        read(TracingSettings, {})


def test_every_process_traces_the_same_mails() -> None:
    """A ratio is of mails: a trace is whole or not there."""
    with collecting() as collector:
        fetcher, filter_ = tracing_to(collector.url, 0.3), tracing_to(collector.url, 0.3)
        mails = [f"mail {one}" for one in range(400)]
        for one in mails:
            first = fetcher.begin("fetch", "fetch", one, {})
            filter_.begin("process", "process", one, {}, parent=first.context).end()
            filter_.begin("send", "send", one, {}).end()
            first.end()
            assert first.context == filter_.root(one)
        fetcher.close(10)
        filter_.close(10)
        sizes = [len(collector.of(identity.trace_id(one))) for one in mails]
    assert set(sizes) == {0, 3}
    assert 0.2 < sizes.count(3) / len(mails) < 0.4


async def taken(broker: Broker) -> Delivery:
    subscription = await broker.subscribe(topology.CLASSIFIER.name, window=1)
    (delivery,) = await subscription.batch(1, wait_seconds=20)
    await delivery.ack()
    return delivery


def processing(tracing: Tracing, broker: Broker, delivery: Delivery) -> None:
    received(tracing, broker.server, topology.CLASSIFIER, delivery, "m1", "support", "classifier").end()


@pytest.mark.parametrize(
    "hostile",
    [
        pytest.param({"traceparent": "00-zz-1-1"}, id="malformed"),
        pytest.param({"traceparent": 7, "tracestate": True}, id="no text"),
        pytest.param({"traceparent": "0" * 50_000}, id="long"),
        pytest.param(FOREIGN.headers, id="of another trace"),
        pytest.param({}, id="absent"),
    ],
)
async def test_a_header_that_leads_elsewhere_is_ignored(broker: Broker, hostile: dict[str, str]) -> None:
    """The mail's trace goes on at its first span."""
    once = encode(accepted("m1"))
    sent = Envelope(once.body, once.content_type, once.type, once.message_id, {**once.headers, **hostile})
    await broker.publish(topology.MAIL, "email.accepted", [sent])
    with collecting() as collector:
        tracing = tracing_to(collector.url)
        processing(tracing, broker, await taken(broker))
        tracing.close(10)
        (span,) = collector.spans
    assert (span.trace_id, span.parent) == (identity.trace_id("m1"), identity.first_span_id("m1"))


async def test_who_processes_a_message_is_the_child_of_who_sent_it(
    broker_settings: BrokerSettings, metrics: Metrics
) -> None:
    """Body, type and other headers are as without."""
    with collecting() as collector:
        tracing = tracing_to(collector.url)
        broker = await Broker.connect(broker_settings, metrics, tracing)
        sent = encode(accepted("m1"))
        await broker.publish(topology.MAIL, "email.accepted", [sent])
        delivery = await taken(broker)
        processing(tracing, broker, delivery)
        await broker.close()
        tracing.close(10)
        spans = {one.name: one for one in collector.spans}
    assert spans["process mail:email.accepted"].parent == spans["send mail:email.accepted"].span_id
    headers = dict(delivery.envelope.headers)
    assert headers.pop("traceparent") == f"00-{identity.trace_id('m1')}-{spans['send mail:email.accepted'].span_id}-01"
    got = delivery.envelope
    assert Envelope(got.body, got.content_type, got.type, got.message_id, headers) == sent


async def test_a_message_that_is_refused_is_a_span_that_failed(
    broker_settings: BrokerSettings, metrics: Metrics
) -> None:
    with collecting() as collector:
        tracing = tracing_to(collector.url)
        broker = await Broker.connect(broker_settings, metrics, tracing)
        with pytest.raises(BrokerUnavailable):
            await broker.publish_all([Outgoing(topology.MAIL, "no.such.key", encode(accepted("m1")))])
        await broker.close()
        tracing.close(10)
        (span,) = collector.spans
    assert (span.failed, span.attributes["error.type"]) == (True, "PublishError")
