"""A mail that no parser process can hold: real processes, consume loop, broker and store; its header is passed on."""

import asyncio
from collections.abc import AsyncIterator

import pytest_asyncio

from services.filter import parser_worker
from services.filter.handler import Filter
from services.filter.parser_pool import ParserPool
from shared.broker import topology
from shared.broker.client import Broker
from shared.contracts.codec import decode, encode
from shared.contracts.messages import EmailAccepted, EmailFetched
from shared.domain.ledger import State
from shared.observability.metrics import Metrics
from shared.runtime.configuration import Configuration
from shared.runtime.consume.loop import Consumer, Lane
from shared.runtime.process import Process
from shared.store.client import Store
from tests.support import builders
from tests.support.broker import arrived
from tests.support.mails import mail

NEIGHBOURS = tuple(f"neighbour-{count}" for count in range(20))


class Huge:
    """A raw mail larger than a parser's memory, which no store takes in a test's time."""

    async def get(self, mail_id: str) -> bytes:
        return bytes(parser_worker.MAX_MEMORY + 1)


@pytest_asyncio.fixture
async def pool() -> AsyncIterator[ParserPool]:
    pool = ParserPool(2)
    await pool.start()
    yield pool
    await pool.close()


async def test_its_neighbours_in_the_batch_are_passed_on_without_an_attempt_on_their_account(
    store: Store, broker: Broker, metrics: Metrics, pool: ParserPool
) -> None:
    process = Process("filter", {})
    await store.mailboxes.put(builders.mailbox(), {})
    configuration = Configuration(store, metrics)
    await configuration.refresh()
    marks = await store.mark_keys.marks()
    handler = Filter(pool, Huge(), store.ledger, store.fingerprints, configuration, process.clock, "/test", marks)
    ids = (*NEIGHBOURS[:10], "killer", *NEIGHBOURS[10:])
    await store.ledger.insert_many([builders.entry(one, uid=uid) for uid, one in enumerate(ids, 1)])
    raws = {one: None if one == "killer" else mail(subject=one) for one in ids}
    letters = [
        EmailFetched(mail_id=one, mailbox="support", received_at=builders.AT, fetched_at=builders.AT, size=1, raw=raw)
        for one, raw in raws.items()
    ]
    await broker.publish(topology.MAIL, EmailFetched.TYPE, [encode(one) for one in letters])
    lane = Lane("filter", topology.FILTER, window=50, batch=50)
    running = asyncio.create_task(Consumer(process, broker, lane, EmailFetched, handler, store.ledger, "/test").run())
    async with asyncio.timeout(60):
        while await broker.depth(topology.CLASSIFIER.name) < len(ids):
            await asyncio.sleep(0.1)
    process.draining.set()
    await running
    subscription = await broker.subscribe(topology.CLASSIFIER.name, window=50)
    passed = {one.mail_id: one for one in [decode(got.envelope) for got in await arrived(subscription, len(ids))]}
    await subscription.stop()
    assert set(passed) == set(ids)
    killer = passed["killer"]
    assert isinstance(killer, EmailAccepted)
    assert killer.email.flags[0] == "out_of_memory", "it ended for want of memory"
    assert killer.trace[0].looked_at["flags"].startswith("out_of_memory")
    assert pool.deaths == 2, "once in its batch, once alone"
    entries = await store.ledger.get_many(ids)
    assert {(one.state, one.attempts, one.failure) for one in entries.values()} == {(State.STORED, 0, None)}
