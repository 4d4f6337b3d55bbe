"""Composes the bookkeeper: a few loops beside each other, any number of replicas."""

import asyncio
from datetime import timedelta
from typing import Final

import structlog

from services.bookkeeper.accounts import Accounts
from services.bookkeeper.handler import Bookkeeper, Patience
from services.bookkeeper.retention import Periods, Retention
from services.bookkeeper.settings import BookkeeperSettings
from services.bookkeeper.statistics import Counts
from services.bookkeeper.totals import Totals
from shared.broker import topology
from shared.broker.delivery import Delivery
from shared.domain.errors import BrokerUnavailable, Transient
from shared.observability.crash_points import crash_point
from shared.runtime.process import Process
from shared.runtime.schedule import COUNTING, every
from shared.runtime.settings import read
from shared.runtime.stage import Doors, doors
from shared.store.upgrade import upgrade

log = structlog.get_logger(__name__)

CHECKS: Final = 10
"""Between two counts of the books, each of one page: so that the store has no burst of them to answer."""


async def main(process: Process) -> None:
    """Run until the process drains."""
    settings = read(BookkeeperSettings, process.environ)
    async with doors(process) as open_doors:
        store = open_doors.store
        patience = Patience(
            stalled=timedelta(seconds=settings.stalled_seconds),
            lost=timedelta(seconds=settings.lost_seconds),
            outbox=timedelta(seconds=settings.outbox_seconds),
            batch=settings.batch,
        )
        counts = Counts(store.ledger, store.statistics, process.clock)
        books = Bookkeeper(
            store.ledger,
            store.tickets,
            store.articles,
            store.dead_messages,
            open_doors.broker,
            process.clock,
            process.metrics,
            patience,
            open_doors.event_source,
            Accounts(store.sightings, store.ledger, store.tickets, store.articles),
            Totals(store.ledger, process.clock),
            counts,
        )
        retention = Retention(
            store.fading, store.audit, process.clock, process.metrics, Periods.of(settings), settings.batch
        )
        async with asyncio.TaskGroup() as group:
            group.create_task(every(process, settings.look_seconds, books.republish))
            group.create_task(every(process, settings.look_seconds, books.relay))
            group.create_task(every(process, settings.books_seconds, books.measure, share=COUNTING))
            group.create_task(every(process, settings.books_seconds / CHECKS, books.check, share=COUNTING))
            group.create_task(_show(open_doors, settings.books_seconds, books))
            group.create_task(every(process, settings.statistics_seconds, counts.hours, share=COUNTING))
            group.create_task(every(process, settings.retention_seconds, retention.expire))
            group.create_task(_upgrade(open_doors))
            group.create_task(_bury(open_doors, books))


async def _show(open_doors: Doors, seconds: float, books: Bookkeeper) -> None:
    """What needs no books to be shown: queues, and which mailboxes there are."""
    process = open_doors.process
    with process.pulse.loop("queues"):
        while not process.draining.is_set():
            process.ready("broker", open_doors.broker.connected)
            books.mailboxes(open_doors.configuration.snapshot.mailboxes.values())
            try:
                with process.pulse.at("at work"):
                    await books.queues()
            except BrokerUnavailable as error:
                log.warning("put_off", work="queues", error=error.line())
            await process.pause(seconds)


async def _upgrade(open_doors: Doors) -> None:
    """Once: what an older version wrote gets the keys it is found by."""
    process, done = open_doors.process, False
    while not done and not process.draining.is_set():
        try:
            if upgraded := await upgrade(open_doors.store):
                log.info("upgraded", documents=upgraded)
            done = True
        except Transient as error:
            log.warning("put_off", work="upgrade", error=error.line())
            await process.pause(5)


async def _bury(open_doors: Doors, books: Bookkeeper) -> None:
    process = open_doors.process
    subscription = await open_doors.broker.subscribe(topology.DEAD_LETTERS.name, window=50)
    with process.pulse.loop("dead letters"):
        while not process.draining.is_set():
            deliveries = await subscription.batch(50, wait_seconds=1)
            with process.pulse.at("at work"):
                for delivery in deliveries:
                    await _bury_one(process, books, delivery)
    await subscription.stop()


async def _bury_one(process: Process, books: Bookkeeper, delivery: Delivery) -> None:
    process.beat()
    try:
        await books.bury(delivery.envelope)
    except Transient as error:
        log.warning("put_off", work="bury", error=error.line())
        await process.pause(2)
        await delivery.give_back()
        crash_point("bookkeeper.after_give_back")
    else:
        await delivery.ack()
        crash_point("bookkeeper.after_ack")
