"""Composes the ticket writer: settings, doors, handler, consume loop."""

from datetime import timedelta

from services.ticket_writer.handler import TicketWriter
from services.ticket_writer.settings import TicketWriterSettings
from shared.broker import topology
from shared.contracts.messages import EmailClassified
from shared.runtime.consume.loop import Consumer, Lane
from shared.runtime.process import Process
from shared.runtime.settings import read
from shared.runtime.stage import doors


async def main(process: Process) -> None:
    """Run until the process drains."""
    settings = read(TicketWriterSettings, process.environ)
    async with doors(process) as open_doors:
        store = open_doors.store
        handler = TicketWriter(
            store,
            open_doors.configuration,
            await store.mark_keys.marks(),
            process.clock,
            process.metrics,
            open_doors.event_source,
            timedelta(seconds=settings.parent_wait_seconds),
        )
        lane = Lane("ticket_writer", topology.TICKET_WRITER, settings.window, settings.batch)
        await Consumer(
            process, open_doors.broker, lane, EmailClassified, handler, store.ledger, open_doors.event_source
        ).run()
