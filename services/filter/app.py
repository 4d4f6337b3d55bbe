"""Composes the filter: settings, doors, parser processes, handler, consume loop."""

import os

from services.filter.handler import Filter
from services.filter.parser_pool import LARGE, ParserPool
from services.filter.settings import FilterSettings
from shared.broker import topology
from shared.contracts.messages import EmailFetched, Message
from shared.runtime.consume.loop import Consumer, Lane
from shared.runtime.process import Process
from shared.runtime.settings import read
from shared.runtime.stage import doors


async def main(process: Process) -> None:
    """Run until the process drains."""
    settings = read(FilterSettings, process.environ)
    metrics = process.metrics
    workers = settings.parsers or os.cpu_count() or 1
    parser = ParserPool(workers, died=metrics.parser_deaths.inc, ticked=process.beat, large=1)
    metrics.parsers.set(parser.size)
    metrics.parsers_busy.set_function(lambda: parser.busy)
    await parser.start()
    try:
        async with doors(process) as open_doors:
            store = open_doors.store
            handler = Filter(
                parser,
                store.raw,
                store.ledger,
                store.fingerprints,
                open_doors.configuration,
                process.clock,
                open_doors.event_source,
                await store.mark_keys.marks(),
            )
            lane = Lane("filter", topology.FILTER, settings.window, settings.batch, slow=_is_slow)
            await Consumer(
                process, open_doors.broker, lane, EmailFetched, handler, store.ledger, open_doors.event_source
            ).run()
    finally:
        await parser.close()


def _is_slow(message: Message) -> bool:
    """Whether others should not wait for this mail."""
    return isinstance(message, EmailFetched) and message.size > LARGE
