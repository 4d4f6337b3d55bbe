"""`events tail|replay|schema`: the real command on a real store and a real broker."""

import asyncio
import json
import signal
import subprocess
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any, TypeVar

import aio_pika
import jsonschema_rs
import pytest
import yaml
from pydantic import SecretStr

from shared.broker import topology
from shared.broker.client import Broker
from shared.broker.messages import again, owed
from shared.broker.settings import BrokerSettings
from shared.contracts import schemas
from shared.contracts.events import (
    EVENTS,
    MAIL_QUARANTINED,
    MAIL_REJECTED,
    TICKET_CREATED,
    TICKET_DUPLICATE_COUNTED,
    TICKET_REPLIED,
    mail_quarantined,
    mail_rejected,
    ticket_created,
    ticket_duplicate_counted,
    ticket_replied,
)
from shared.contracts.examples import examples
from shared.domain import identity
from shared.domain.decision import Decision, Kind, Reason
from shared.domain.email import Headline
from shared.domain.ledger import DecisionWrite, Failure
from shared.domain.ticket import Appended, ArticleKind, OutboxEvent, Ticket
from shared.observability.metrics import Metrics
from shared.store.client import Store
from tests.contract.cli.conftest import Line
from tests.support import builders

T = TypeVar("T")
SOURCE = "/mail-automator/here"
OPENED, OTHER, REPEAT, SPAM, STUCK, ANSWER = (identity.mail_id(word, 0) for word in ("a", "b", "c", "d", "e", "f"))
HEADLINE = Headline(message_id="<one@example.org>")


def ticket(mail_id: str, number: str, mailbox: str, **after: float) -> Ticket:
    return Ticket(
        ticket_id=identity.ticket_id(mail_id),
        number=number,
        module="ticket",
        mailbox=mailbox,
        origin_mail_id=mail_id,
        subject="Printer on fire",
        requester=None,
        classification=builders.classified().classification,
        articles=(builders.article(mail_id, attachments=(builders.attachment(),)),),
        created_at=builders.AT + timedelta(**after),
        received_at=builders.AT,
    )


def tickets() -> tuple[Ticket, Ticket]:
    """The second was opened a day after everything else."""
    return ticket(OPENED, "INC-000001", "support", milliseconds=17), ticket(OTHER, "INC-000002", "strict", days=1)


def repeated() -> Decision:
    at = builders.AT + timedelta(seconds=5)
    names = {"ticket_id": tickets()[0].ticket_id, "number": "INC-000001"}
    return builders.decision(kind=Kind.DUPLICATE, reason=Reason.DUPLICATE_OF, decided_at=at, **names)


def failure() -> Failure:
    return Failure(stage="filter", code="parser_killed", what="x", at=builders.AT + timedelta(seconds=7))


def answer() -> Appended:
    article = builders.article(ANSWER, kind=ArticleKind.REPLY, attachments=(builders.attachment(),))
    at = builders.AT + timedelta(seconds=6, milliseconds=3)
    return Appended(ticket_id=tickets()[0].ticket_id, article=article, at=at, reopened=True)


def first_emissions() -> dict[str, dict[str, Any]]:
    """Every event as the stages made it first, by its id: from the values that they had in hand."""
    first, second = tickets()
    stuck = builders.entry(STUCK, uid=5, headline=HEADLINE)
    made = (
        ticket_created(first, SOURCE),
        ticket_created(second, SOURCE),
        ticket_replied(first, answer().article, answer().at, reopened=True, source=SOURCE),
        ticket_duplicate_counted(first, REPEAT, builders.AT, repeated().decided_at, SOURCE),
        mail_rejected(SPAM, "support", "<one@example.org>", builders.AT, builders.decision(), SOURCE),
        mail_quarantined(stuck, failure(), SOURCE),
    )
    return {one.event_id: one.event for one in made}


async def write_books(store: Store) -> None:
    mails = (OPENED, OTHER, REPEAT, SPAM, STUCK)
    await store.ledger.insert_many([builders.entry(one, uid=n, headline=HEADLINE) for n, one in enumerate(mails, 1)])
    writes = {SPAM: builders.decision(), REPEAT: repeated()}
    await store.ledger.decide_many([DecisionWrite(mail_id=one, decision=it, trace=()) for one, it in writes.items()])
    await store.tickets.insert_many(list(tickets()))
    await store.tickets.count_duplicates([(tickets()[0].ticket_id, REPEAT)])
    await store.articles.insert_many([answer()])
    await store.ledger.mark_done([SPAM, REPEAT])
    await store.ledger.quarantine(STUCK, failure())


class Exchange:
    """The exchange of the events, with a queue of the test's own on it."""

    def __init__(self, url: str) -> None:
        self.environ = {"MAIL_AUTOMATOR_BROKER_URL": url, "MAIL_AUTOMATOR_EVENT_SOURCE": SOURCE}
        self._settings = BrokerSettings(url=SecretStr(url), connect_deadline_seconds=20)
        self._url = url

    def declare(self) -> None:
        """The topology, and the queue."""

        async def work(channel: aio_pika.abc.AbstractChannel) -> None:
            queue = await channel.declare_queue("test.events", durable=True)
            await queue.bind(topology.TICKETS, "#")
            await queue.purge()

        self.publish()
        self._with_channel(work)

    def publish(self, *events: OutboxEvent) -> None:
        """As the stages do."""

        async def work() -> None:
            broker = await Broker.connect(self._settings, Metrics("test", "0"))
            await broker.publish_all([owed(one) for one in events])
            await broker.close()

        asyncio.run(work())

    def garbage(self) -> None:
        """What is no event, on a key of ours."""

        async def work(channel: aio_pika.abc.AbstractChannel) -> None:
            exchange = await channel.get_exchange(topology.TICKETS)
            await exchange.publish(aio_pika.Message(b"\xff{", type="odd\x1b[2J"), "mail.rejected.x.y")

        self._with_channel(work)

    def taken(self) -> list[aio_pika.abc.AbstractIncomingMessage]:
        """What lies in the test's queue, taken from it."""

        async def work(channel: aio_pika.abc.AbstractChannel) -> list[aio_pika.abc.AbstractIncomingMessage]:
            queue = await channel.get_queue("test.events")
            found: list[aio_pika.abc.AbstractIncomingMessage] = []
            while (one := await queue.get(fail=False, no_ack=True)) is not None:
                found.append(one)
            return found

        return self._with_channel(work)

    def _with_channel(self, work: Callable[[aio_pika.abc.AbstractChannel], Awaitable[T]]) -> T:
        async def run() -> T:
            async with await aio_pika.connect(self._url) as connection:
                return await work(await connection.channel())

        return asyncio.run(run())


@pytest.fixture
def exchange(rabbitmq_url: str) -> Exchange:
    made = Exchange(rabbitmq_url)
    made.declare()
    return made


@pytest.fixture
def books(cli: Line) -> Line:
    cli.store(write_books)
    return cli


def replay(books: Line, exchange: Exchange, *arguments: str) -> list[dict[str, Any]]:
    answer = books.here("events", "replay", "-o", "json", *arguments, **exchange.environ)
    assert answer.code == 0, answer.errors
    found = [json.loads(one.body) for one in exchange.taken()]
    assert json.loads(answer.out)["sent"] == len(found)
    return found


def test_a_replay_sends_every_event_again_with_the_id_and_the_content_of_the_first_time(books, exchange) -> None:
    """Made anew from tickets and books; told apart by a header alone."""
    answer = books("events", "replay", "--since", "2026-03-01", **exchange.environ)
    assert answer.code == 0, answer.errors
    assert "6 event(s) sent" in answer.out
    messages = exchange.taken()
    assert {one.message_id: json.loads(one.body) for one in messages} == first_emissions()
    for one in messages:
        assert (one.headers["x-replayed"], one.headers["ce-id"]) == (True, one.message_id)
        assert (one.content_type, one.delivery_mode) == ("application/cloudevents+json", 2)
        jsonschema_rs.validate(schemas.event_schema(str(one.type)), json.loads(one.body))
    (record,) = books.store(lambda store: store.audit.page())
    assert (record.action, record.kind, record.outcome) == ("replay", "Events", "done")
    assert record.new is not None and record.new["since"] == "2026-03-01T00:00:00+00:00"


def test_a_replay_of_a_part_sends_that_part(books, exchange) -> None:
    """By time, type, mailbox and key."""

    def types(*arguments: str) -> list[str]:
        return sorted(one["type"] for one in replay(books, exchange, *arguments))

    assert types("--since", "2026-03-02") == [TICKET_CREATED]
    assert types("--since", "2026-03-01T12:00:05Z", "--until", "2026-03-01T12:00:06.003Z") == [TICKET_DUPLICATE_COUNTED]
    assert types("--since", "520w", "--key-prefix", "ticket.replied.ticket.it") == [TICKET_REPLIED]
    assert types("--since", "2026-03-01T13:00:00.017+01:00", "--until", "2026-03-01T12:00:01") == [TICKET_CREATED]
    assert types("--since", "520w", "--type", "ticket.created", "--type", MAIL_REJECTED) == [
        MAIL_REJECTED,
        TICKET_CREATED,
        TICKET_CREATED,
    ]
    assert types("--since", "520w", "--mailbox", "strict") == [TICKET_CREATED]
    assert types("--since", "520w", "--key-prefix", "mail.quarantined") == [MAIL_QUARANTINED]
    assert types("--since", "520w", "--key-prefix", "ticket.created.ticket.i") == []
    assert types("--since", "1h") == []


def test_a_dry_run_says_how_many_and_sends_and_records_nothing(books, exchange) -> None:
    """It needs no broker either."""
    answer = books.here("events", "replay", "--since", "520w", "--dry-run", "-o", "json")
    result = json.loads(answer.out)
    assert (result["sent"], sum(result["events"].values())) == (0, 6)
    assert exchange.taken() == []
    assert books.store(lambda store: store.audit.page()) == ()


def test_data_leads_to_the_broker_and_the_source_of_that_system(books, exchange) -> None:
    """The events are that system's own, whatever the environment says."""
    ends = {
        "store_url": books.settings.url.get_secret_value(),
        "store_database": books.settings.database,
        "broker_url": exchange.environ["MAIL_AUTOMATOR_BROKER_URL"],
        "event_source": SOURCE,
    }
    books.file(json.dumps(ends), "endpoints.json")
    answer = books.here("--data", str(books.home), "events", "replay", "--since", "520w")
    assert answer.code == 0, answer.errors
    assert {json.loads(one.body)["id"]: json.loads(one.body) for one in exchange.taken()} == first_emissions()


def test_a_replay_without_a_broker_says_so_and_is_on_record_as_failed(books) -> None:
    """One line, and no password in it."""
    url = "amqp://u:canary-pw@127.0.0.1:1/"
    answer = books("events", "replay", "--since", "520w", MAIL_AUTOMATOR_BROKER_URL=url)
    assert (answer.code, len(answer.errors)) == (1, 1)
    assert "RabbitMQ does not answer" in answer.errors[0]
    assert "canary-pw" not in answer.errors[0]
    newest, asked = books.store(lambda store: store.audit.page())
    assert (newest.outcome, asked.outcome) == ("failed", "done")


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (("--since", "soon"), "is no time"),
        (("--since", "2h", "--type", "ticket.creatde"), "ticket.created"),
        ((), "--since"),
    ],
)
def test_a_wrong_question_is_one_line_and_exit_2(cli, arguments: tuple[str, ...], word: str) -> None:
    answer = cli.here("events", "replay", *arguments)
    assert (answer.code, len(answer.errors)) == (2, 1)
    assert word in answer.errors[0]


def tailing(cli: Line, exchange: Exchange, *arguments: str) -> subprocess.Popen[str]:
    """A running tail that misses nothing any more."""
    process = cli.start("events", "tail", *arguments, **exchange.environ)
    assert process.stderr is not None
    assert process.stderr.readline().startswith("note: listening on exchange tickets")
    return process


def test_tail_shows_the_events_of_its_keys_as_lines_of_json(cli, exchange) -> None:
    """Whole events, and those of no other key."""
    process = tailing(cli, exchange, "-o", "json", "-k", "ticket.created.#", "-k", "mail.rejected.#", "-n", "2")
    made = examples()
    exchange.publish(*made.values())
    out, _ = process.communicate(timeout=30)
    assert process.returncode == 0
    shown = [json.loads(line) for line in out.splitlines()]
    assert shown == [made[TICKET_CREATED].event, made[MAIL_REJECTED].event]


def test_tail_for_people_is_a_line_each_and_obeys_nobody(cli, exchange) -> None:
    """What is no event is shown as what it is; Ctrl-C ends it."""
    process = tailing(cli, exchange)
    assert process.stdout is not None
    exchange.publish(examples()[TICKET_CREATED])
    line = process.stdout.readline()
    exchange.garbage()
    odd = process.stdout.readline()
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=20) == 130
    assert line.split() == [
        "2026-03-01",
        "12:00:01",
        "ticket.created.v1",
        "INC-000042",
        "support",
        "ticket.created.ticket.it.printing.support",
    ]
    assert "\x1b" not in odd and "odd" in odd
    process.stdout.close()


def test_schema_prints_the_asyncapi_document(cli) -> None:
    printed = cli("events", "schema")
    document = yaml.safe_load(printed.out)
    assert [one["name"] for one in document["components"]["messages"].values()] == list(EVENTS)
    assert json.loads(cli.here("events", "schema", "-o", "json").out) == document


def test_the_outgoing_marker_is_a_header_and_nothing_else() -> None:
    """A subscriber that does not look at it sees the same event."""
    event = examples()[TICKET_CREATED]
    once, twice = owed(event), again(event)
    assert (once.key, once.envelope.body, once.mandatory) == (twice.key, twice.envelope.body, twice.mandatory)
    assert set(twice.envelope.headers) - set(once.envelope.headers) == {"x-replayed"}
