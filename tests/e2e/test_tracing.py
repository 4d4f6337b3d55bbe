"""One trace tells a mail's way through every real service, whatever happens to it; a collector takes it as OTLP."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from dataclasses import dataclass

import aio_pika
import orjson
import pytest
import pytest_asyncio

from shared.broker import topology
from shared.domain import identity, trace_context
from shared.domain.ledger import LedgerEntry
from tests.support.bad_certificates import make
from tests.support.canary import secret
from tests.support.mails import mail
from tests.support.otlp import Collector, Seen, collecting
from tests.support.pipeline import QUICK, Pipeline, pipeline
from tests.support.smtp import server_context, smtp_server

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(300)]

EXTRA = """
domains: {{blockedSenders: ['*@spam.example']}}
acknowledgements: {{enabled: true, text: "{{number}}"}}
smtp: {{host: localhost, port: {port}, caFile: "{ca}", username: relay, passwordFrom: {{file: "{password}"}}}}
"""

WAY = [
    ("mail-automator-fetcher", "fetch", "internal"),
    ("mail-automator-fetcher", "send mail:email.fetched", "producer"),
    ("mail-automator-filter", "process mail:email.fetched", "consumer"),
    ("mail-automator-filter", "send mail:email.accepted", "producer"),
    ("mail-automator-classifier", "process mail:email.accepted", "consumer"),
    ("mail-automator-classifier", "send mail:email.classified", "producer"),
    ("mail-automator-ticket-writer", "process mail:email.classified", "consumer"),
    ("mail-automator-ticket-writer", "send tickets:ticket.created", "producer"),
    ("mail-automator-notifier", "process tickets:ticket.created", "consumer"),
    ("mail-automator-notifier", "acknowledge", "client"),
]
"""A mail that becomes a ticket: each span is the child of the one before."""


@dataclass
class Traced:
    """The system and its collector."""

    running: Pipeline
    collector: Collector

    async def came(self, subject: str, sender: str = "") -> LedgerEntry:
        """Deliver a mail, of somebody new unless it is said who; returns its entry as soon as the books have it."""
        sender = sender or f"{subject.split()[0].lower()}@people.example"
        known = {one.mail_id for one in await self.running.entries("support")}
        self.running.dovecot.deliver("support", mail(sender=sender, subject=subject, text="Sesquipedalian.\n"))
        async with asyncio.timeout(60):
            while not (new := [one for one in await self.running.entries("support") if one.mail_id not in known]):
                await asyncio.sleep(0.1)
        return new[0]

    async def trace(self, mail_id: str, *names: str, of: str = "", outcomes: int = 0) -> list[Seen]:
        """The trace of a mail once it has spans of these names, one of the service `of`, and that many outcomes of the
        filter. Each process tells of its spans in its own time: none may be missed because another came first."""

        def whole(found: list[Seen]) -> bool:
            filtered = [one for one in found if one.name == "process mail:email.fetched"]
            services = {one.service for one in found} | {""}
            return set(names) <= {one.name for one in found} and of in services and len(filtered) >= outcomes

        return await self.collector.until(identity.trace_id(mail_id), whole)

    def pids(self, service: str) -> list[int]:
        return self.running.system.processes[service]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def traced(tmp_path_factory: pytest.TempPathFactory, rabbitmq_url: str) -> AsyncIterator[Traced]:
    folder = tmp_path_factory.mktemp("tracing")
    files, password = make(folder / "tls"), folder / "relay.password"
    password.write_text("open sesame")
    context = server_context(files.certificate, files.key)
    with collecting() as collector:
        environ = {
            **QUICK,
            "MAIL_AUTOMATOR_NOTIFIER_LOOK_SECONDS": "0.2",
            "MAIL_AUTOMATOR_TRACING_ENDPOINT": collector.url,
            "MAIL_AUTOMATOR_TRACING_DEPLOYMENT": "testing",
        }
        async with (
            smtp_server(context, "relay", "open sesame", implicit=True) as port,
            pipeline(folder, {"support": secret()}, environ=environ, broker_url=rabbitmq_url) as running,
        ):
            await running.add_mailbox(
                "support", "support", EXTRA.format(port=port, ca=files.ca_file, password=password)
            )
            yield Traced(running, collector)


async def test_one_trace_leads_from_fetch_to_acknowledgement(traced: Traced) -> None:
    """Each span is the child of the one that caused it; ids follow from the mail; nothing of the mail is in it."""
    entry = await traced.came("Floccinaucinihilipilification")
    found = await traced.trace(entry.mail_id, *(name for _, name, _ in WAY))
    by_id = {one.span_id: one for one in found}
    (last,) = [one for one in found if one.name == "acknowledge"]
    way = [last]
    while way[0].parent:
        way.insert(0, by_id[way[0].parent])
    assert [(one.service, one.name, one.kind) for one in way] == WAY
    assert way[0].span_id == identity.first_span_id(entry.mail_id)
    assert len(found) == len(WAY)
    assert not any(one.failed for one in found)
    assert last.attributes["mail_automator.outcome"] == "sent"
    assert last.attributes["server.address"] == "localhost"
    said = b"".join(traced.collector.bodies)
    for word in (b"floccinaucinihilipilification", b"sesquipedalian", b"people.example"):
        assert word not in said.lower()


async def test_attributes_are_those_of_the_conventions(traced: Traced) -> None:
    entry = await traced.came("Conventions")
    found = await traced.trace(entry.mail_id, *(name for _, name, _ in WAY))
    (sent,) = [one for one in found if one.name == "send mail:email.accepted"]
    assert sent.attributes | {"messaging.message.body.size": 0, "server.port": 0} == {
        "messaging.system": "rabbitmq",
        "messaging.operation.name": "send",
        "messaging.operation.type": "send",
        "messaging.destination.name": "mail:email.accepted",
        "messaging.destination.template": "mail:email.accepted",
        "messaging.rabbitmq.destination.routing_key": "email.accepted",
        "messaging.message.id": entry.mail_id,
        "messaging.message.body.size": 0,
        "server.address": "127.0.0.1",
        "server.port": 0,
        "mail_automator.mail_id": entry.mail_id,
        "mail_automator.mailbox": "support",
    }
    (event,) = [one for one in found if one.name == "send tickets:ticket.created"]
    key = "ticket.created.ticket.none.none.support"
    assert event.attributes["messaging.rabbitmq.destination.routing_key"] == key
    assert event.attributes["messaging.destination.name"] == f"tickets:{key}"
    (processed,) = [one for one in found if one.name == "process mail:email.classified"]
    assert processed.attributes["messaging.destination.name"] == "mail:email.classified:mail.ticket_writer"
    assert processed.attributes["mail_automator.outcome"] == "ticket"
    (first,) = [one for one in found if one.name == "fetch"]
    assert 0 <= float(first.attributes["mail_automator.age_seconds"]) < 300
    assert first.resource["deployment.environment.name"] == "testing"
    assert first.resource["service.namespace"] == "mail-automator"
    assert first.resource["service.version"]


async def test_an_event_names_its_trace_in_itself_and_its_headers_lead_to_who_sent_it(traced: Traced) -> None:
    """CloudEvents' `traceparent` is where the event came from; the header is this sending of it."""
    connection = await aio_pika.connect(traced.running.system.broker_url)
    async with connection:
        channel = await connection.channel()
        queue = await channel.declare_queue(exclusive=True)
        await queue.bind(topology.TICKETS, "ticket.created.#")
        entry = await traced.came("Listened to")
        async with asyncio.timeout(60):
            while (message := await queue.get(fail=False, no_ack=True)) is None:
                await asyncio.sleep(0.1)
    found = await traced.trace(entry.mail_id, "send tickets:ticket.created")
    (sent,) = [one for one in found if one.name == "send tickets:ticket.created"]
    event = orjson.loads(message.body)
    assert event["correlationid"] == entry.mail_id
    assert event["traceparent"] == trace_context.root(entry.mail_id, sampled=True).traceparent
    assert message.headers["traceparent"] == f"00-{sent.trace_id}-{sent.span_id}-01"


async def test_a_message_that_is_delivered_again_goes_on_in_its_trace(traced: Traced) -> None:
    """The filter is stopped with the message in its hands, and killed."""
    (pid,) = traced.pids("filter")
    os.kill(pid, signal.SIGSTOP)
    entry = await traced.came("Delivered again")
    await traced.trace(entry.mail_id, "send mail:email.fetched")
    traced.running.system.kill("filter")
    found = await traced.trace(entry.mail_id, *(name for _, name, _ in WAY))
    (processed,) = [one for one in found if one.name == "process mail:email.fetched"]
    (sent,) = [one for one in found if one.name == "send mail:email.fetched"]
    assert processed.parent == sent.span_id
    assert processed.attributes["mail_automator.deliveries"] == 1


async def test_a_mail_that_fell_off_the_belt_goes_on_in_its_trace(traced: Traced) -> None:
    """The broker loses the message: what the bookkeeper sends again hangs on the first span."""
    (pid,) = traced.pids("filter")
    os.kill(pid, signal.SIGSTOP)
    entry = await traced.came("Lost")
    await traced.trace(entry.mail_id, "fetch", "send mail:email.fetched")
    connection = await aio_pika.connect(traced.running.system.broker_url)
    async with connection:
        channel = await connection.channel()
        await channel.queue_delete(topology.FILTER.name)
    traced.running.system.kill("filter")
    found = await traced.trace(entry.mail_id, *(name for _, name, _ in WAY), of="mail-automator-bookkeeper")
    sent = [one for one in found if one.name == "send mail:email.fetched"]
    again = [one for one in sent if one.service == "mail-automator-bookkeeper"]
    assert again
    assert {one.parent for one in again} == {identity.first_span_id(entry.mail_id)}
    processed = {one.parent for one in found if one.name == "process mail:email.fetched"}
    assert processed
    assert processed <= {one.span_id for one in again}


async def test_a_replay_goes_on_in_the_trace_of_its_mail(traced: Traced) -> None:
    """Rejected, then sent again by a person: one trace."""
    entry = await traced.came("Buy", sender="x@spam.example")
    found = await traced.trace(entry.mail_id, "send tickets:mail.rejected", "process mail:email.fetched")
    (processed,) = [one for one in found if one.name == "process mail:email.fetched"]
    assert processed.attributes["mail_automator.reason"] == "blocked_sender"
    await traced.running.settled("support", 1)
    code, _, err = await traced.running.command("replay", entry.mail_id, "--as-ticket", "--why", "Ours.", "--yes")
    assert code == 0, err
    found = await traced.trace(entry.mail_id, *(name for _, name, _ in WAY), outcomes=2)
    accepted = [one for one in found if one.name == "process mail:email.fetched"]
    assert [one.attributes["mail_automator.outcome"] for one in accepted] == ["rejected", "accepted"]


async def test_log_lines_about_a_mail_name_its_trace(traced: Traced) -> None:
    entry = await traced.came("Logged")
    found = await traced.trace(entry.mail_id, *(name for _, name, _ in WAY))
    lines = [orjson.loads(line[line.index("{") :]) for line in traced.running.log if entry.mail_id in line]
    told = {(one["event"], one["span_id"]) for one in lines if one.get("trace_id") == identity.trace_id(entry.mail_id)}
    assert len(told) == len({(one["event"], one.get("span_id")) for one in lines})
    spans = {one.name: one.span_id for one in found}
    assert ("accepted", spans["process mail:email.fetched"]) in told
    assert ("classified", spans["process mail:email.accepted"]) in told
    assert ("ticket", spans["process mail:email.classified"]) in told
    assert ("acknowledgement_sent", spans["acknowledge"]) in told
