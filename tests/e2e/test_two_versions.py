"""During a rolling upgrade two versions work side by side on the same store and broker: each mail has one end, and the
books balance. The longer way, with kills and every kind of mail, is S28 of tests/chaos.
"""

import asyncio
import signal
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from services.all_in_one.system import System
from tests.chaos.deployment import Deployment, OtherSource, handled
from tests.chaos.scenarios.deployments import BELT
from tests.support.mails import mail
from tests.support.pipeline import QUICK, Pipeline, pipeline
from tests.support.versions import NoHistory, source_of, version_before

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

USERS = {"a": "secret", "b": "secret"}
SERVICES: dict[str, int] = dict.fromkeys((*BELT, "bookkeeper"), 1)
SHARED_SECONDS = 90
REFUSED = "message_refused"
"""What a stage writes that does not know a message."""
AFTER = 5
"""Mails to each mailbox after the older version is gone."""


@pytest.fixture
async def older_source(tmp_path: Path) -> Path:
    """The source of the version before."""
    try:
        return await source_of(await version_before(), tmp_path / "older-source")
    except NoHistory as error:
        pytest.skip(f"this needs the history of the repository: {error}")


async def test_an_older_version_beside_todays_loses_and_doubles_nothing(
    tmp_path_factory: pytest.TempPathFactory, older_source: Path, rabbitmq_url: str
) -> None:
    """Both handle mail at every stage and refuse no message; then the older one is killed with mail in its hands."""
    async with pipeline(tmp_path_factory.mktemp("versions"), USERS, SERVICES, broker_url=rabbitmq_url) as system:
        for user in USERS:
            await system.add_mailbox(user, user)
        async with beside(system, older_source) as older:
            sent = await _until_both_work(system, older)
            for service in SERVICES:
                older.system.kill(service, number=signal.SIGKILL)
        for count in range(sent, sent + AFTER):
            _deliver(system, count)
        for user in USERS:
            entries = await system.settled(user, sent + AFTER, seconds=120)
            assert len(entries) == sent + AFTER
            assert {one.attempts for one in entries} == {0}, "a mail that is refused is tried again, and comes late"
        assert await system.store.tickets.count() == len(USERS) * (sent + AFTER)
        assert [line for line in (*system.log, *older.log) if REFUSED in line] == []
        await system.balance()


@asynccontextmanager
async def beside(system: Pipeline, source: Path) -> AsyncGenerator[Deployment, None]:
    """The older version, started on the store and the broker of today's, with its key."""
    log: list[str] = []
    today = system.system
    other = System(
        system.folder / "older",
        SERVICES,
        log.append,
        broker_url=today.broker_url,
        store_url=today.store_url,
        environ={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": str(system.folder), **QUICK},
        launch=OtherSource(key_file=today.key_file, private=False, source=source),
    )
    async with other:
        yield Deployment(other, log)
    compiled = [one for one in BELT if (source / "services" / one / "__pycache__").is_dir()]
    assert compiled == list(BELT), f"the older version's own source ran in {compiled} alone"


async def _until_both_work(system: Pipeline, older: Deployment) -> int:
    """Mail comes in until both versions have handled some at every stage; how many each mailbox got."""
    loop = asyncio.get_running_loop()
    end, sent, already = loop.time() + SHARED_SECONDS, 0, len(system.log)
    shares: dict[str, tuple[int, int]] = {}
    while not shares or any(min(share) == 0 for share in shares.values()):
        assert loop.time() < end, f"one of them did nothing: {shares}\n" + "\n".join(older.log[-20:])
        for _ in range(3):
            _deliver(system, sent)
            sent += 1
        await asyncio.sleep(0.5)
        shares = {one: (handled(system.log[already:], one), older.handled(one)) for one in BELT}
    print(f"mails handled by today's and by the older version: {shares}")
    return sent


def _deliver(system: Pipeline, count: int) -> None:
    for user in USERS:
        system.dovecot.deliver(user, mail(subject=f"{user} {count}"))
