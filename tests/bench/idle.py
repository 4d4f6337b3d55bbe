"""Idle: what one fetcher costs that reads many mailboxes in which nothing happens, and how soon it notices a mail.

    python -m tests.bench.idle [--mailboxes 1000] [--seconds 60] [--json]

Each mailbox is a connection in IDLE, over TLS. After the rest, a mail comes into some of them, far apart.
"""

import argparse
import asyncio
import resource
import tempfile
import time
from pathlib import Path

import uvloop

from tests.bench import costs, machine, mailboxes, results
from tests.bench.arrivals import awaited, spread, subscribed
from tests.bench.cpu import difference, resident
from tests.bench.generator import mails
from tests.support.pipeline import Pipeline, pipeline

MAILS = 50
APART_SECONDS = 0.5
PATIENCE_SECONDS = 120.0
LIMIT_MIB = 500


async def run(boxes: int, seconds: float) -> dict[str, object]:
    """The figures."""
    _allow_files(8 * boxes + 4_096)
    names, raws = mailboxes.names(boxes), list(mails(MAILS))
    calibration = machine.calibrate(raws)
    with tempfile.TemporaryDirectory(prefix="mail-automator-bench-") as folder:
        Path(folder).chmod(0o755)
        users = dict.fromkeys(names, "for the bench")
        room = mailboxes.room(boxes)
        async with pipeline(Path(folder), users, environ={}, tap=False, dovecot_extra=room) as system:
            started = time.monotonic()
            await mailboxes.add(system, names)
            described = time.monotonic()
            await mailboxes.at_rest(system, boxes, PATIENCE_SECONDS + boxes)
            connected = time.monotonic()
            await asyncio.sleep(5)
            before = await costs.look(system)
            await asyncio.sleep(seconds)
            after = await costs.look(system)
            memory = resident(system.system.processes["fetcher"])
            noticed = await _notice(system, names, raws)
    used = difference(after.usage, before.usage)
    trips = {name: sum(after.trips[name].values()) - sum(before.trips[name].values()) for name in after.trips}
    return {
        "bench": "idle",
        "machine": machine.described(),
        "calibration_cpu_ms_per_mail": calibration,
        "mailboxes": boxes,
        "seconds": seconds,
        "described_seconds": round(described - started, 1),
        "connected_seconds": round(connected - described, 1),
        "fetcher_mib": round(memory),
        "cpu_ms_per_second": {name: round(1000 * one.seconds / seconds, 1) for name, one in used.items()},
        "store_trips_per_second": {name: round(count / seconds, 2) for name, count in trips.items()},
        "noticed_ms": spread(noticed),
    }


async def _notice(system: Pipeline, names: list[str], raws: list[bytes]) -> list[float]:
    """Seconds from delivery to the subscriber, of mails that come one at a time."""
    async with subscribed(system) as arrivals:
        delivered: list[float] = []
        for number, raw in enumerate(raws):
            await asyncio.to_thread(system.dovecot.deliver, names[number * len(names) // len(raws)], raw)
            delivered.append(time.monotonic())
            await asyncio.sleep(APART_SECONDS)
        await awaited(arrivals, range(len(raws)), PATIENCE_SECONDS)
        return [arrivals[number] - at for number, at in enumerate(delivered)]


def _allow_files(count: int) -> None:
    """Connections are files; what is started from here inherits the limit."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = count if hard == resource.RLIM_INFINITY else min(count, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), hard))


def main() -> None:
    """Entry of `make bench-idle`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mailboxes", type=int, default=1000)
    parser.add_argument("--seconds", type=float, default=60)
    results.add_arguments(parser)
    options = parser.parse_args()
    result = uvloop.run(run(options.mailboxes, options.seconds))
    results.show_lines(result)
    print(f"the fetcher holds {result['mailboxes']} mailboxes in {result['fetcher_mib']} MiB (at most {LIMIT_MIB})")
    results.keep(options, f"idle-{options.mailboxes}", result)


if __name__ == "__main__":
    main()
