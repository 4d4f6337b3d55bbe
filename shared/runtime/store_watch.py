"""Looks again, while a service runs, whether the store still keeps its promises: an index can be dropped at any time.

Without its unique indexes every further write may be a double: the process then takes no work, says so in its log,
its readiness and a metric, and goes on by itself once they are back. It never makes them: doubles may have come.
"""

import structlog

from shared.domain.errors import ConfigurationError, Transient
from shared.runtime.process import Process
from shared.store.client import Store
from shared.store.indexes import verify_indexes

HELD_SECONDS = 15.0
PART = "store_indexes"

log = structlog.get_logger(__name__)


async def watch(process: Process, store: Store, seconds: float) -> None:
    """Until it is cancelled. `seconds` lie between two looks; fewer while work is held."""
    while not await process.pause(seconds if process.allowed.is_set() else min(seconds, HELD_SECONDS)):
        await look(process, store)


async def look(process: Process, store: Store) -> None:
    """One look. A store that does not answer says nothing about its indexes."""
    try:
        await verify_indexes(store)
    except ConfigurationError as error:
        process.hold(PART, False)
        log.error("work_held", error=error.line())
    except Transient as error:
        log.warning("put_off", work="store_watch", error=error.line())
    else:
        if not process.allowed.is_set():
            log.warning("work_goes_on", reason=PART)
        process.hold(PART, True)
