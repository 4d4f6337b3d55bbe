"""A mail that ends the whole filter: its neighbours do not notice, and it ends in quarantine."""

import asyncio
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import pytest

from shared.broker import topology
from shared.broker.client import Broker
from shared.broker.settings import BrokerSettings
from shared.contracts.codec import decode, encode
from shared.contracts.messages import EmailFetched
from shared.domain.ledger import LedgerEntry, State
from shared.runtime.consume.suspects import GROUPS, MAX_ALONE
from shared.store.client import Store
from shared.store.settings import StoreSettings
from tests.support import builders
from tests.support.broker import emptied
from tests.support.mails import mail
from tests.support.store_wire import deadly, wire

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]

KILLER = "killer"
NEIGHBOURS = tuple(f"neighbour-{count}" for count in range(30))


@dataclass
class Filter:
    """The filter as a process of its own that is started again whenever it ends, as any supervisor does."""

    environ: dict[str, str]
    deaths: int = 0
    pid: int | None = None
    log: list[str] = field(default_factory=list)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        keeping = asyncio.create_task(self._keep())
        try:
            yield
        finally:
            keeping.cancel()
            await asyncio.wait([keeping])

    async def _keep(self) -> None:
        while True:
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "services.filter", env=self.environ, stderr=asyncio.subprocess.PIPE
            )
            self.pid = process.pid
            try:
                _, said = await process.communicate()
                self.log.append(said.decode()[-2000:])
                self.deaths += 1
            except asyncio.CancelledError:
                process.terminate()
                await process.wait()
                raise


def filtering(store: StoreSettings, broker: BrokerSettings, url: str) -> Filter:
    return Filter(
        {
            "PATH": "/usr/bin:/bin",
            "MAIL_AUTOMATOR_STORE_URL": url,
            "MAIL_AUTOMATOR_STORE_DATABASE": store.database,
            "MAIL_AUTOMATOR_BROKER_URL": broker.url.get_secret_value(),
            "MAIL_AUTOMATOR_FILTER_PARSERS": "2",
        }
    )


async def send(store: Store, broker: Broker, killer: bytes) -> None:
    """The killer at the head of a batch of neighbours, all of them in the books."""
    await store.mailboxes.put(builders.mailbox(), {})
    ids = (KILLER, *NEIGHBOURS)
    await store.ledger.insert_many([builders.entry(one, uid=uid) for uid, one in enumerate(ids, 1)])
    await store.raw.put_many({KILLER: killer})
    raws = {KILLER: None, **{one: mail(subject=one) for one in NEIGHBOURS}}
    letters = [
        EmailFetched(mail_id=one, mailbox="support", received_at=builders.AT, fetched_at=builders.AT, size=1, raw=raw)
        for one, raw in raws.items()
    ]
    await broker.publish(topology.MAIL, EmailFetched.TYPE, [encode(one) for one in letters])


async def quarantined(store: Store, seconds: float, log: Sequence[str]) -> LedgerEntry:
    async with asyncio.timeout(seconds):
        while True:
            entry = await store.ledger.get(KILLER)
            assert entry is not None
            if entry.state is State.QUARANTINED:
                return entry
            await asyncio.sleep(0.1)
    raise AssertionError("\n".join(log))


async def unharmed(store: Store, broker: Broker) -> None:
    """Every neighbour was passed on, without an attempt or a failure on its account."""
    entries = await store.ledger.get_many(NEIGHBOURS)
    assert {(one.state, one.attempts, one.failure) for one in entries.values()} == {(State.STORED, 0, None)}
    assert {decode(one).mail_id for one in await emptied(broker, topology.CLASSIFIER)} == set(NEIGHBOURS)
    assert await broker.depth(topology.FILTER.name) == 0
    assert await broker.depth(topology.DEAD_LETTERS.name) == 0


async def test_a_mail_that_ends_the_filter_each_time_is_isolated_and_quarantined_after_a_few_deaths(
    store: Store, store_settings: StoreSettings, broker: Broker, broker_settings: BrokerSettings
) -> None:
    """SIGKILL, with its whole window in hand, whenever it reads that mail."""
    await send(store, broker, mail())
    port = urlsplit(store_settings.url.get_secret_value()).port or 27017
    stage = filtering(store_settings, broker_settings, "")
    async with wire(port, deadly(KILLER, lambda: stage.pid)) as there:
        stage.environ["MAIL_AUTOMATOR_STORE_URL"] = f"mongodb://127.0.0.1:{there}"
        async with stage.running():
            entry = await quarantined(store, 120, stage.log)
    assert entry.failure is not None
    assert (entry.failure.code, entry.failure.stage, entry.attempts) == ("kills_worker", "filter", 0)
    assert f"ended {MAX_ALONE} times" in entry.failure.what
    assert stage.deaths <= max(GROUPS) + 1 + MAX_ALONE, stage.log
    await unharmed(store, broker)
