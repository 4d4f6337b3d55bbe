"""`topology check|apply`: the real command on a real broker."""

import asyncio
import json

import aio_pika
import pytest

from shared.broker import topology
from shared.broker.settings import BrokerSettings
from tests.contract.cli.conftest import Line

PARTS = [*(f"exchange {one.name}" for one in topology.EXCHANGES), *(f"queue {one.name}" for one in topology.QUEUES)]


@pytest.fixture
def url(broker_settings: BrokerSettings) -> str:
    """A broker that has none of the queues."""
    return broker_settings.url.get_secret_value()


def test_check_names_each_queue_that_is_missing_and_apply_makes_them(cli: Line, url: str) -> None:
    """What a Job does before services start."""
    before = cli("topology", "check", MAIL_AUTOMATOR_BROKER_URL=url)
    assert before.code == 1
    assert [line.split(" -> ")[0] for line in before.errors] == [
        f"error: queue {one.name} is missing" for one in topology.QUEUES
    ]
    applied = cli("topology", "apply", MAIL_AUTOMATOR_BROKER_URL=url)
    assert (applied.code, applied.errors) == (0, [])
    assert "complete" in applied.out
    after = cli.here("topology", "check", "-o", "json", MAIL_AUTOMATOR_BROKER_URL=url)
    assert (after.code, after.errors) == (0, [])
    assert [(one["part"], one["state"]) for one in json.loads(after.out)] == [(part, "there") for part in PARTS]


def test_a_queue_with_other_arguments_is_told_apart_and_stays(cli: Line, url: str) -> None:
    """`apply` refuses in one line, `check` says which."""

    async def change(*, put: bool) -> None:
        async with await aio_pika.connect(url) as connection:
            channel = await connection.channel()
            await channel.queue_delete(topology.FILTER.name)
            if put:
                await channel.declare_queue(topology.FILTER.name, durable=True)

    asyncio.run(change(put=True))
    try:
        applied = cli.here("topology", "apply", MAIL_AUTOMATOR_BROKER_URL=url)
        checked = cli.here("topology", "check", MAIL_AUTOMATOR_BROKER_URL=url)
    finally:
        asyncio.run(change(put=False))
    assert applied.code == 1
    assert "other arguments" in applied.errors[0]
    assert any(line.startswith("error: queue mail.filter is different") for line in checked.errors)


def test_a_broker_that_does_not_answer_is_one_line(cli: Line) -> None:
    """With its place, without its credentials."""
    answer = cli.here("topology", "check", MAIL_AUTOMATOR_BROKER_URL="amqp://127.0.0.1:1/")
    assert answer.code == 1
    assert len(answer.errors) == 1
    assert "127.0.0.1:1" in answer.errors[0]
