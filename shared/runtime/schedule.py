"""Work that is done again and again, and how long to wait between two times of it."""

from collections.abc import Awaitable, Callable

import structlog

from shared.domain.errors import StoreUnavailable, Transient
from shared.runtime.process import Process

log = structlog.get_logger(__name__)

COUNTING = 0.1
"""The share of the time that each kind of counting may take: it grows with the books, and mail comes first."""
LONGEST = 600.0

Work = Callable[[], Awaitable[None]]


async def every(process: Process, seconds: float, *works: Work, share: float = 1) -> None:
    """Do these works, one after the other, each so many seconds until the process drains; more rarely, if they would
    take more than their `share` of the time. What fails for a reason that passes is put off until the next time."""
    with process.pulse.loop(", ".join(work.__name__ for work in works)):
        while not process.draining.is_set():
            if await process.permitted():
                took = sum([await _once(process, work) for work in works])
                process.beat()
                await process.pause(pause(seconds, took, share))


def pause(seconds: float, took: float, share: float = 1) -> float:
    """So many seconds; more, if work that `took` so long would otherwise have more than its share of the time; never
    more than ten minutes on top."""
    return max(seconds, min(took * (1 / share - 1), LONGEST))


async def _once(process: Process, work: Work) -> float:
    """How many seconds it took. 0 for what was put off: a store that was away is asked early once it is back."""
    began = process.clock.monotonic()
    try:
        with process.pulse.at(work.__name__):
            await work()
    except Transient as error:
        if isinstance(error, StoreUnavailable):
            process.ready("store", False)
        log.warning("put_off", work=work.__name__, error=error.line())
        return 0.0
    process.ready("store", True)
    return process.clock.monotonic() - began
