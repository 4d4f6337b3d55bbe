"""kill -9 of any one service during delivery: balanced, nothing lost, nothing doubled."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from services.all_in_one.settings import PIPELINE
from tests.support.canary import secret
from tests.support.mails import mail
from tests.support.pipeline import Pipeline, pipeline

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(240)]

MAILS = 40


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running(tmp_path_factory: pytest.TempPathFactory, rabbitmq_url: str) -> AsyncIterator[Pipeline]:
    async with pipeline(tmp_path_factory.mktemp("kill"), {"support": secret()}, broker_url=rabbitmq_url) as system:
        await system.add_mailbox("support", "support", "domains: {blockedSenders: ['*@spam.example']}")
        yield system


@pytest.mark.parametrize("service", PIPELINE)
async def test_a_killed_service_costs_no_mail_and_doubles_none(running: Pipeline, service: str) -> None:
    """The broker delivers again, the supervisor starts again, the bookkeeper picks up what is left."""
    before = len(await running.entries("support"))
    for count in range(MAILS):
        sender = "x@spam.example" if count % 8 == 0 else "alice@example.org"
        running.dovecot.deliver("support", mail(sender=sender, subject=f"{service} {count}"))
        if count == MAILS // 2:
            while len(await running.entries("support")) == before:
                await asyncio.sleep(0.01)
            running.system.kill(service)
    entries = await running.settled("support", before + MAILS, seconds=100)
    assert len(entries) == before + MAILS
    kinds = Counter(one.decision.kind.value for one in entries[:MAILS] if one.decision)
    assert kinds == {"ticket": MAILS - MAILS // 8, "rejected": MAILS // 8}
    tickets = [one async for one in running.store.tickets.iter_origins()]
    origins = Counter(one.origin_mail_id for one in tickets)
    assert set(origins.values()) == {1}
    assert len({one.number for one in tickets}) == len(tickets)
    await running.balance()
