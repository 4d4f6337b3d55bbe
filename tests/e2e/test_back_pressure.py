"""A stage that stands still holds up the fetcher: mail waits on its server, not in the broker."""

import asyncio
import signal
from pathlib import Path

import pytest

from shared.domain.ledger import State
from tests.bench.queues import deepest
from tests.support.imap import mail
from tests.support.pipeline import QUICK, Pipeline, pipeline

USERS = {"support": "one secret of the test", "requests": "another secret of the test"}
MAILS, MOST = 400, 250
BATCH = 50


async def stands_still(system: Pipeline) -> int:
    """How many mails the ledger knows, once that has not changed for seconds."""
    known = -1
    while known != (now := len(await system.entries("support"))) or not now:
        known = now
        await asyncio.sleep(4)
    return known


@pytest.mark.timeout(400)
async def test_with_the_ticket_writer_stopped_a_backlog_stays_on_its_server_and_is_taken_whole_afterwards(
    tmp_path: Path,
) -> None:
    environ = {
        **QUICK,
        "MAIL_AUTOMATOR_FETCHER_ON_THE_WAY_MAX": str(MOST),
        "MAIL_AUTOMATOR_FETCHER_BATCH": str(BATCH),
        "MAIL_AUTOMATOR_BOOKKEEPER_STALLED_SECONDS": "300",  # what waits for the writer is not sent once more
    }
    async with pipeline(tmp_path, USERS, environ=environ) as system:
        for number in range(MAILS):
            system.dovecot.deliver("support", mail(number))
        await system.add_mailbox("requests", "requests")
        system.system.kill("ticket_writer", number=signal.SIGSTOP)
        async with deepest(system) as depths:
            await system.add_mailbox("support", "support")
            known = await stands_still(system)
            assert known <= MOST + BATCH
            system.dovecot.deliver("requests", mail(1000))
            async with asyncio.timeout(60):
                while not await system.entries("requests"):
                    await asyncio.sleep(0.2)
            assert len(await system.entries("support")) == known, "the new mail passes the backlog"
            system.system.kill("ticket_writer", number=signal.SIGCONT)
            entries = [*await system.settled("support", MAILS, 240), *await system.settled("requests", 1)]
        assert max(depths.values()) <= MOST + BATCH
        assert {one.state for one in entries} == {State.DONE}
        assert len(entries) == len({one.mail_id for one in entries}) == MAILS + 1
        await system.balance()
