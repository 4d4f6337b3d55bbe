"""Three fetcher processes over ten mailboxes: fair shares, hand-over on SIGTERM, and a sleeper that does no harm."""

import asyncio
import json
import re
import signal
import time
from collections import Counter
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from services.all_in_one.process import wait_until
from services.all_in_one.settings import ONE_EACH
from shared.domain.mailbox_runtime import Lease
from tests.support.fetching import eventually
from tests.support.mails import mail
from tests.support.pipeline import QUICK, Pipeline, pipeline

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(300)]

USERS = {f"box{number}": "secret" for number in range(10)}
BACKLOG = 300


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running(tmp_path_factory: pytest.TempPathFactory, rabbitmq_url: str) -> AsyncIterator[Pipeline]:
    services = {**ONE_EACH, "fetcher": 3}
    environ = {**QUICK, "MAIL_AUTOMATOR_FETCHER_BATCH": "5"}
    async with pipeline(tmp_path_factory.mktemp("leases"), USERS, services, environ, broker_url=rabbitmq_url) as system:
        for user in USERS:
            await system.add_mailbox(user, user)
        await eventually(lambda: _shared(system), 60)
        yield system


async def _leases(system: Pipeline) -> dict[str, Lease]:
    return await system.store.runtime.leases()


async def _shared(system: Pipeline) -> bool:
    """Each has its share, and nobody has one to give up: whose name comes first has the odd one."""
    held = Counter(lease.holder for lease in (await _leases(system)).values())
    return [held[one] for one in sorted(held)] == [4, 3, 3]


async def _held_by(system: Pipeline, index: int) -> dict[str, Lease]:
    leases = await _leases(system)
    return {name: lease for name, lease in leases.items() if lease.holder.endswith(f"-{index}")}


async def test_ten_mailboxes_are_shared_by_three_fetchers(running: Pipeline) -> None:
    await eventually(lambda: _shared(running), 60)
    held = Counter(lease.holder for lease in (await _leases(running)).values())
    print(f"ten mailboxes over three fetchers: {sorted(held.values())}")
    assert min(held.values()) >= 2
    assert max(held.values()) <= 4


async def test_the_mailboxes_of_a_fetcher_that_is_told_to_stop_are_read_elsewhere_in_seconds(running: Pipeline) -> None:
    await eventually(lambda: _shared(running), 60)
    names = list(await _held_by(running, 0))
    before = {name: len(await running.entries(name)) for name in names}
    began = time.monotonic()
    running.system.kill("fetcher", 0, signal.SIGTERM)
    for name in names:
        running.dovecot.deliver(name, mail(subject=f"handed over {name}"))

    async def taken() -> bool:
        return all([len(await running.entries(name)) > before[name] for name in names])

    await eventually(taken, 60)
    print(f"hand-over of {len(names)} mailboxes after SIGTERM: {time.monotonic() - began:.1f} s")
    for name in names:
        await running.settled(name, before[name] + 1)
    stopped = running.system.supervisor.kept[0]
    assert await wait_until(lambda: bool(stopped.ends), 30)
    assert stopped.ends[-1] == 0


async def test_a_fetcher_that_slept_through_its_lease_writes_no_cursor_and_doubles_nothing(running: Pipeline) -> None:
    """It is stopped in the middle of a backlog; another goes on; then it wakes and finds that its token is old."""
    await eventually(lambda: _shared(running), 60)
    name = min(await _held_by(running, 1))
    before = len(await running.entries(name))
    for count in range(BACKLOG):
        running.dovecot.deliver(name, mail(subject=f"backlog {count}"))
    while len(await running.entries(name)) < before + 20:
        await asyncio.sleep(0.01)
    pid = running.system.kill("fetcher", 1, signal.SIGSTOP)
    asleep = time.monotonic()
    old = await _held_by(running, 1)
    assert name in old
    try:

        async def all_taken_over() -> bool:
            leases = await _leases(running)
            return all(one in leases and not leases[one].holder.endswith("-1") for one in old)

        await eventually(all_taken_over, 60)
        print(f"take-over of {len(old)} mailboxes from a sleeping fetcher: {time.monotonic() - asleep:.1f} s")
        await running.settled(name, before + BACKLOG, seconds=120)
        cursor = await running.store.runtime.cursor(name, "INBOX")
        told = len(running.log)
    finally:
        running.system.kill("fetcher", 1, signal.SIGCONT)

    def given_up() -> list[str]:
        return [line for line in running.log[told:] if f"fetcher[{pid}]" in line and "mailbox_given_up" in line]

    async def noticed() -> bool:
        return len(given_up()) >= len(old)

    await eventually(noticed, 60)
    lost = {json.loads(line[line.index("{") :])["mailbox"] for line in given_up()}
    assert lost >= set(old)
    entries = await running.settled(name, before + BACKLOG)
    assert len(entries) == before + BACKLOG
    subjects = Counter(one.headline.subject for one in entries)
    assert set(subjects.values()) == {1}
    after = await running.store.runtime.cursor(name, "INBOX")
    assert cursor is not None
    assert after is not None
    assert after.low_water == cursor.low_water
    assert all(lease.token > old[one].token for one, lease in (await _leases(running)).items() if one in old)
    await eventually(lambda: _shared(running), 60)
    await running.balance()
    assert not [line for line in running.log if re.search(r"unexpected", line)]
