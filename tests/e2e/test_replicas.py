"""Two of every service on the same broker and store share the work, and the balance holds."""

import asyncio
import re
from collections import Counter

import pytest

from tests.support.canary import secret
from tests.support.mails import mail
from tests.support.pipeline import pipeline

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]

STAGES = ("fetcher", "filter", "classifier", "ticket_writer")
USERS = dict.fromkeys(("a", "b", "c", "d"), secret())
EACH = 100


async def test_two_of_each_share_the_work_and_double_nothing(
    tmp_path_factory: pytest.TempPathFactory, rabbitmq_url: str
) -> None:
    """Four mailboxes over two fetchers; both replicas of each stage have worked."""
    services = {**dict.fromkeys(STAGES, 2), "bookkeeper": 2}
    async with pipeline(tmp_path_factory.mktemp("replicas"), USERS, services, broker_url=rabbitmq_url) as system:
        for user in USERS:
            for count in range(EACH):
                system.dovecot.deliver(user, mail(subject=f"{user} {count}"))
        for user in USERS:
            await system.add_mailbox(user, user, "domains: {allowDuplicates: false}")
        for user in USERS:
            entries = await system.settled(user, EACH, seconds=120)
            assert Counter(one.decision.kind.value for one in entries if one.decision) == {"ticket": EACH}
        leases = await system.store.runtime.leases()
        assert len({lease.holder for lease in leases.values()}) == 2, "both fetchers hold mailboxes"
        await system.balance()
        await asyncio.sleep(0)
        for stage in ("filter", "classifier", "ticket_writer"):
            lines = (re.match(rf"{stage}\[(\d+)\].*\"mail_id\"", line) for line in system.log)
            assert len({found[1] for found in lines if found}) == 2, f"both replicas of {stage} have worked"
