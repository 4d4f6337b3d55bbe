"""What the store guarantees is proven on the server itself; one that does not keep its word is refused."""

import asyncio
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

import httpx
import pytest
from pydantic import SecretStr

from shared.broker import topology
from shared.broker.client import Broker
from shared.broker.settings import BrokerSettings
from shared.contracts.codec import encode
from shared.contracts.messages import EmailFetched
from shared.domain.errors import ConfigurationError
from shared.runtime import admin
from shared.runtime.process import EXIT_CONFIGURATION
from shared.store.client import Store
from shared.store.gate import GUARANTEES, prove
from shared.store.indexes import PROBE, ensure_indexes, verify_indexes
from shared.store.settings import StoreSettings
from tests.support import builders
from tests.support.embedded_store import FakeClock, drop_index
from tests.support.mails import mail
from tests.support.store_wire import loose, wire


async def test_the_store_of_these_tests_keeps_every_guarantee_and_nothing_of_the_proof_stays(
    store: Store, store_settings: StoreSettings, clock: FakeClock
) -> None:
    async def anew() -> Store:
        return await Store.open(store_settings, clock=clock)

    found = await prove(anew)
    assert [one.wrong for one in found] == [""] * len(GUARANTEES)
    assert await store.collection(PROBE.collection).find({}) == []


async def test_a_server_without_its_unique_index_fails_that_proof_and_no_other(
    store: Store, store_settings: StoreSettings, clock: FakeClock
) -> None:
    async def anew() -> Store:
        return await Store.open(store_settings, clock=clock)

    await drop_index(store_settings, PROBE.collection, "probe")
    broken = {one.guarantee.name: one.wrong for one in await prove(anew) if not one.holds}
    assert broken == {"unique_index": "24 documents with one value of a unique key were taken, expected 1"}


async def test_a_server_that_makes_plain_indexes_of_unique_ones_is_refused(
    store_settings: StoreSettings, clock: FakeClock
) -> None:
    port = urlsplit(store_settings.url.get_secret_value()).port or 27017
    async with wire(port, loose) as there:
        url = SecretStr(f"mongodb://127.0.0.1:{there}")
        settings = store_settings.model_copy(update={"url": url, "database": f"{store_settings.database}_loose"})
        store = await Store.open(settings, clock=clock)
        await ensure_indexes(store)
        with pytest.raises(ConfigurationError, match=r"tickets\(number\) unique"):
            await verify_indexes(store)
        async with service(environ(settings, "amqp://127.0.0.1:1")) as (process, _):
            _, said = await asyncio.wait_for(process.communicate(), 30)
        await store.close()
    assert process.returncode == EXIT_CONFIGURATION
    line = said.decode().strip()
    assert line.startswith("error: filter: the store lacks indexes: tickets(number) unique"), line
    assert "Traceback" not in line and "mail-automator store init" in line


def environ(settings: StoreSettings, broker: str, **more: str) -> dict[str, str]:
    return {
        "PATH": "/usr/bin:/bin",
        "MAIL_AUTOMATOR_STORE_URL": settings.url.get_secret_value(),
        "MAIL_AUTOMATOR_STORE_DATABASE": settings.database,
        "MAIL_AUTOMATOR_BROKER_URL": broker,
        "MAIL_AUTOMATOR_FILTER_PARSERS": "1",
        **more,
    }


@asynccontextmanager
async def service(env: Mapping[str, str]) -> AsyncIterator[tuple[asyncio.subprocess.Process, str]]:
    """The filter as a process, and the address of its health and metrics."""
    with admin.bind("127.0.0.1", 0) as taken:
        port = str(taken.getsockname()[1])
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "services.filter"),
        env={**env, "MAIL_AUTOMATOR_ADMIN_PORT": port},
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        yield process, f"http://127.0.0.1:{port}"
    finally:
        if process.returncode is None:
            process.terminate()
            await process.wait()


async def ready(address: str, wanted: bool) -> None:
    """Wait until the process says it is, or is not, ready."""
    async with asyncio.timeout(30), httpx.AsyncClient() as client:
        while True:
            try:
                answer = await client.get(f"{address}/readyz")
            except httpx.TransportError:
                await asyncio.sleep(0.1)
                continue
            if (answer.status_code == 200) is wanted:
                return
            await asyncio.sleep(0.1)


@pytest.mark.timeout(120)
async def test_a_running_service_takes_no_work_while_a_unique_index_is_gone_and_says_so(
    store: Store, store_settings: StoreSettings, broker: Broker, broker_settings: BrokerSettings
) -> None:
    await store.mailboxes.put(builders.mailbox(), {})
    await store.ledger.insert_many([builders.entry("m1")])
    env = environ(store_settings, broker_settings.url.get_secret_value(), MAIL_AUTOMATOR_STORE_CHECK_SECONDS="0.3")
    async with service(env) as (_, address):
        await ready(address, True)
        await drop_index(store_settings, "tickets", "number")
        await ready(address, False)
        async with httpx.AsyncClient() as client:
            assert "mail_automator_work_held 1.0" in (await client.get(f"{address}/metrics")).text
        message = EmailFetched(
            mail_id="m1", mailbox="support", received_at=builders.AT, fetched_at=builders.AT, size=1, raw=mail()
        )
        await broker.publish(topology.MAIL, EmailFetched.TYPE, [encode(message)])
        await asyncio.sleep(2)
        assert await broker.depth(topology.CLASSIFIER.name) == 0, "nothing was taken on"
        await ensure_indexes(store)
        async with asyncio.timeout(30):
            while await broker.depth(topology.CLASSIFIER.name) != 1:
                await asyncio.sleep(0.1)
        await ready(address, True)
