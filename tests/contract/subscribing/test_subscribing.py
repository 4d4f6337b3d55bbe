"""docs/subscribing.md, done as it stands there: its commands, its consumer, its table of keys, on a real RabbitMQ."""

import ast
import asyncio
import json
import os
import re
import shlex
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit

import aio_pika
import aiormq
import pytest
import pytest_asyncio
from pydantic import SecretStr

from services.all_in_one.rabbitmq import RabbitMQ
from shared.broker import topology
from shared.broker.client import Broker
from shared.broker.messages import owed
from shared.broker.settings import BrokerSettings
from shared.contracts.events import (
    EVENTS,
    MAIL_QUARANTINED,
    MAIL_REJECTED,
    TICKET_CREATED,
    TICKET_DUPLICATE_COUNTED,
    TICKET_REPLIED,
    ticket_created,
)
from shared.contracts.examples import examples
from shared.domain import identity
from shared.domain.errors import BrokerUnavailable
from shared.domain.ticket import OutboxEvent, Ticket
from shared.observability.metrics import Metrics
from tests.support import builders

DOCS = Path(__file__).parents[3] / "docs"
PAGE = (DOCS / "subscribing.md").read_text()
CONTROL = Path("/usr/lib/rabbitmq/bin/rabbitmqctl")
ON_TICKETS = {TICKET_CREATED, TICKET_REPLIED, TICKET_DUPLICATE_COUNTED}
FITTING = {
    "ticket.created.#": {TICKET_CREATED},
    "ticket.created.request.#": set[str](),
    "ticket.created.*.it.#": {TICKET_CREATED},
    "ticket.created.*.*.printing.*": {TICKET_CREATED},
    "ticket.created.*.*.*.support": {TICKET_CREATED},
    "ticket.*.*.it.#": ON_TICKETS,
    "ticket.#": ON_TICKETS,
    "mail.rejected.blocked_sender.*": {MAIL_REJECTED},
    "mail.rejected.*.support": {MAIL_REJECTED},
    "mail.quarantined.#": {MAIL_QUARANTINED},
    "#": set(EVENTS),
}
"""The keys of the table, and which of the example events (a ticket of department it, service printing) each takes."""


def commands(program: str) -> list[list[str]]:
    """The commands of the page that call a program, in order."""
    blocks = re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL)
    return [shlex.split(line) for block in blocks for line in block.splitlines() if program in line.split()]


def opened(count: int) -> OutboxEvent:
    mail = identity.mail_id(f"mail {count}", 0)
    ticket = Ticket(
        ticket_id=identity.ticket_id(mail),
        number=f"INC-{count:06d}",
        module="ticket",
        mailbox="support",
        origin_mail_id=mail,
        subject="Printer on fire",
        requester=None,
        classification=builders.classified().classification,
        articles=(),
        created_at=builders.AT,
        received_at=builders.AT,
    )
    return ticket_created(ticket)


class Desk:
    """The folder of the one who subscribes: the consumer's file and nothing of ours."""

    def __init__(self, folder: Path, url: str) -> None:
        self.folder = folder
        self._url = url
        shutil.copy(DOCS / "subscribing" / "consumer.py", folder)

    async def run(self, number: int) -> subprocess.Popen[str]:
        """The page's n-th call of the consumer, as it stands there; returns once it consumes, or has ended."""
        _, *arguments = commands("consumer.py")[number]
        environ = {"PATH": os.defpath, "AMQP_URL": self._url}
        process = subprocess.Popen(
            [sys.executable, "-I", *arguments],
            cwd=self.folder,
            env=environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert process.stderr is not None
        line = await asyncio.to_thread(process.stderr.readline)
        assert line in ("", "consuming subscriber.erp\n")
        return process

    async def lines(self) -> list[str]:
        """What it did, as the page shows how to see it."""
        process = await self.run(1)
        out, errors = process.communicate(timeout=20)
        assert process.returncode == 0, errors
        return out.split("\n")[:-1] if out.strip() else []

    async def in_the_middle(self) -> None:
        """Wait for 30 lines, looking closely."""
        database = sqlite3.connect(f"file:{self.folder / 'subscriber.erp.sqlite'}?mode=ro", uri=True)
        async with asyncio.timeout(30):
            while database.execute("SELECT count(*) FROM lines").fetchone()[0] < 30:
                await asyncio.sleep(0.001)
        database.close()

    async def has(self, count: int) -> list[str]:
        """Wait for that many lines."""
        lines: list[str] = []
        async with asyncio.timeout(40):
            while len(lines := await self.lines()) < count:
                await asyncio.sleep(0.2)
        return lines


def control(node: RabbitMQ, command: Sequence[str]) -> None:
    done = subprocess.run(
        [CONTROL, *command[1:]],
        env=node.environment,
        input="PASSWORD\n",
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def administer(node: RabbitMQ, word: str) -> None:
    """The page's rabbitmqctl commands with that word."""
    found = [one for one in commands("rabbitmqctl") if word in one]
    assert found
    for command in found:
        control(node, command[: command.index("<")] if "<" in command else command)


@asynccontextmanager
async def ours(node: RabbitMQ) -> AsyncIterator[Broker]:
    settings = BrokerSettings(url=SecretStr(node.url), connect_deadline_seconds=20)
    broker = await Broker.connect(settings, Metrics("test", "0"))
    try:
        yield broker
    finally:
        await broker.close()


@pytest_asyncio.fixture
async def node(private_rabbitmq: RabbitMQ) -> RabbitMQ:
    """A broker that Mail Automator has used, administered as the page says."""
    async with ours(private_rabbitmq):
        pass
    for word in ("add_user", "set_permissions", "set_policy"):
        administer(private_rabbitmq, word)
    return private_rabbitmq


def erp(node: RabbitMQ) -> str:
    """The page's URL, at the port of this node."""
    (given,) = re.findall(r"export AMQP_URL=(\S+)", PAGE)
    return given.replace("localhost:5672", f"127.0.0.1:{urlsplit(node.url).port}")


@pytest.fixture
def desk(node: RabbitMQ, tmp_path: Path) -> Desk:
    folder = tmp_path / "erp"
    folder.mkdir()
    return Desk(folder, erp(node))


async def depth(url: str, queue: str) -> int:
    async with await aio_pika.connect(url) as connection:
        declared = await (await connection.channel()).declare_queue(queue, passive=True)
        return declared.declaration_result.message_count or 0


@pytest.mark.timeout(180)
async def test_every_ticket_is_there_exactly_once_though_the_consumer_is_killed_in_the_middle(
    node: RabbitMQ, desk: Desk
) -> None:
    """Each event is published twice, the consumer is killed with SIGKILL, the broker restarted under it."""
    total = 400
    events = [opened(count) for count in range(1, total + 1)]
    first = await desk.run(0)
    async with ours(node) as broker:
        await broker.publish_all([owed(one) for one in examples().values() if one.type != TICKET_CREATED])
        publishing = asyncio.create_task(broker.publish_all([owed(one) for one in events * 2]))
        await desk.in_the_middle()
        first.send_signal(signal.SIGKILL)
        first.wait(timeout=10)
        done = len(await desk.lines())
        await publishing
    second = await desk.run(0)
    await desk.has(total)
    await node.stop()
    await node.start()
    async with ours(node) as broker:
        await broker.publish_all([owed(opened(total + 1)), owed(opened(1))])
    lines = await desk.has(total + 1)
    second.send_signal(signal.SIGTERM)
    assert second.wait(timeout=15) == 0
    assert 30 <= done < total, "it was killed in the middle"
    numbers = [line.split()[2] for line in lines]
    assert sorted(numbers) == [f"INC-{count:06d}" for count in range(1, total + 2)]
    assert {line.split()[1] for line in lines} == {TICKET_CREATED}


@pytest.mark.timeout(180)
async def test_what_is_no_event_goes_to_the_dead_letters_of_the_subscriber(node: RabbitMQ, desk: Desk) -> None:
    """And holds up nothing."""
    consumer = await desk.run(0)
    async with await aio_pika.connect(node.url) as connection:
        exchange = await (await connection.channel()).get_exchange(topology.TICKETS)
        for body in (b"\xff{", b"[]", b'{"specversion": "1.0"}'):
            await exchange.publish(aio_pika.Message(body), "ticket.created.x")
    async with ours(node) as broker:
        await broker.publish_all([owed(opened(1))])
    assert len(await desk.has(1)) == 1
    async with asyncio.timeout(20):
        while await depth(node.url, "subscriber.erp.dead") < 3:
            await asyncio.sleep(0.1)
    consumer.terminate()
    assert consumer.wait(timeout=15) == 0
    assert await depth(node.url, "subscriber.erp") == 0


async def refused(node: RabbitMQ, act: Callable[[aio_pika.abc.AbstractChannel], object]) -> bool:
    async with await aio_pika.connect(erp(node)) as connection:
        try:
            await act(await connection.channel())  # type: ignore[misc]
        except aiormq.exceptions.ChannelAccessRefused:
            return True
        return False


@pytest.mark.timeout(180)
async def test_the_subscribers_user_may_do_its_work_and_nothing_else(node: RabbitMQ, desk: Desk) -> None:
    """Nor bind other keys, once they are limited to a department."""
    consumer = await desk.run(0)
    consumer.terminate()
    consumer.wait(timeout=15)
    key = "ticket.created.#"

    async def bind(channel: aio_pika.abc.AbstractChannel) -> None:
        await (await channel.get_queue("subscriber.erp")).bind(topology.TICKETS, key)

    async def publish(channel: aio_pika.abc.AbstractChannel) -> None:
        exchange = await channel.get_exchange(topology.TICKETS, ensure=False)
        await exchange.publish(aio_pika.Message(b"x"), "ticket.created.x")

    async def around(channel: aio_pika.abc.AbstractChannel) -> None:
        await channel.default_exchange.publish(aio_pika.Message(b"x"), topology.FILTER.name)

    async def read(channel: aio_pika.abc.AbstractChannel) -> None:
        await (await channel.declare_queue(topology.FILTER.name, passive=True)).get(fail=False)

    async def declare(channel: aio_pika.abc.AbstractChannel) -> None:
        await channel.declare_queue("another")

    assert [await refused(node, one) for one in (publish, around, read, declare, bind)] == [True] * 4 + [False]
    administer(node, "set_topic_permissions")
    assert await refused(node, bind)
    key = "ticket.*.*.it.#"
    assert not await refused(node, bind)


async def test_the_table_of_binding_keys_is_true(broker: Broker, rabbitmq_url: str) -> None:
    """Each row takes what it says, of one event of every type."""
    table = PAGE.partition("| wanted | binding key |")[2].partition("\n\n")[0]
    keys = re.findall(r"\| `(.+?)` \|", table)
    assert sorted(keys) == sorted(FITTING)
    async with await aio_pika.connect(rabbitmq_url) as connection:
        channel = await connection.channel()
        queues = {key: await channel.declare_queue(exclusive=True) for key in keys}
        for key, queue in queues.items():
            await queue.bind(topology.TICKETS, key)
        await broker.publish_all([owed(one) for one in examples().values()])
        for key, queue in queues.items():
            taken: set[str] = set()
            while (message := await queue.get(fail=False, no_ack=True)) is not None:
                taken.add(str(message.type))
            assert taken == FITTING[key], key


async def test_a_full_queue_that_drops_its_oldest_holds_up_nobody_and_one_that_refuses_does(
    broker: Broker, rabbitmq_url: str
) -> None:
    """Why the page says which overflow to use."""
    events = [owed(opened(count)) for count in range(1, 30)]
    async with await aio_pika.connect(rabbitmq_url) as connection:
        channel = await connection.channel()
        for overflow in ("drop-head", "reject-publish"):
            name = f"test.{overflow}"
            limits = {"x-queue-type": "quorum", "x-max-length": 2, "x-overflow": overflow}
            queue = await channel.declare_queue(name, durable=True, arguments=limits)
            await queue.bind(topology.TICKETS, "ticket.created.#")
            try:
                if overflow == "drop-head":
                    await broker.publish_all(events)
                    assert await depth(rabbitmq_url, name) < len(events)
                else:
                    with pytest.raises(BrokerUnavailable):
                        for _ in range(5):
                            await broker.publish_all(events)
            finally:
                await channel.queue_delete(name)


def test_the_consumer_stands_on_aio_pika_alone() -> None:
    """Copied out, it works; and a person reads it in one go."""
    text = (DOCS / "subscribing" / "consumer.py").read_text()
    found = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Import | ast.ImportFrom)]
    modules = {one.module if isinstance(one, ast.ImportFrom) else one.names[0].name for one in found}
    assert {str(one).partition(".")[0] for one in modules} - sys.stdlib_module_names == {"aio_pika"}
    assert len(text.splitlines()) < 120


def test_the_event_that_the_page_shows_is_the_golden_one() -> None:
    (shown,) = re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)
    assert json.loads(shown) == examples()[TICKET_CREATED].event


def test_the_page_names_every_type_and_its_key() -> None:
    for kind, event in examples().items():
        fixed = ".".join(event.routing_key.split(".")[:2])
        assert re.search(rf"\| `{re.escape(kind)}` \|.*`{re.escape(fixed)}\.<", PAGE), kind
