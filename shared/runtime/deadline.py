"""The end of a process that is told to stop: in order if it can, at its deadline whatever hangs.

A hung store or broker may hold up any clean-up, even the interpreter's own (it waits for threads). What is left behind
then is what a kill leaves: nothing is lost or doubled, leases run out.
"""

import asyncio
import os
import sys
import threading
from collections.abc import Coroutine

import structlog

EXIT_UNFINISHED = 75
DROP_SECONDS = 3.0
"""How long before the deadline what still runs is cancelled: time for leases, connections, child processes."""

log = structlog.get_logger(__name__)


def gone_by(service: str, seconds: float) -> None:
    """See to it that this process is gone in so many seconds, even if its loop or a thread hangs: with one clear line
    and code 75."""
    timer = threading.Timer(seconds, _end, (service, seconds))
    timer.daemon = True
    timer.start()


async def finish(work: Coroutine[object, object, None], draining: asyncio.Event, service: str, seconds: float) -> None:
    """Run `work` to its end. Once `draining` is set it has `seconds`; shortly before they are over it is cancelled."""
    running = asyncio.ensure_future(work)
    told = asyncio.create_task(draining.wait())
    try:
        await asyncio.wait({running, told}, return_when=asyncio.FIRST_COMPLETED)
        if not running.done():
            await asyncio.wait({running}, timeout=max(0.0, seconds - DROP_SECONDS))
        if not running.done():
            log.error("stop_hangs", service=service, seconds=seconds, action="dropped what was still held")
            running.cancel()
            await asyncio.wait({running})
    finally:
        told.cancel()
    if not running.cancelled():
        running.result()


def _end(service: str, seconds: float) -> None:
    sys.stderr.write(f"error: {service}: not stopped within {seconds:g} s, ended at once; what it held comes again\n")
    sys.stderr.flush()
    os._exit(EXIT_UNFINISHED)
