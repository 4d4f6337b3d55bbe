"""Fairness: how much later single mails become tickets while another mailbox has a backlog.

    python -m tests.bench.fair [--mails 20000] [--others 5] [--seconds 60] [--rest 20] [--console] [--json]

Each of the other mailboxes gets a mail a second, first by itself, then beside the backlog, until the time is over or
the backlog is done; the backlog need not be. Told is the time from delivery to the subscriber, at rest and beside the
backlog, how deep the queues got, and the peak of memory. `--console` asks for the console's main pages meanwhile.
"""

import argparse
import asyncio
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from itertools import islice
from pathlib import Path

import uvloop

from tests.bench import console_pages, costs, machine, mailboxes, results
from tests.bench.arrivals import Arrivals, awaited, deliver, spread, subscribed
from tests.bench.generator import mails
from tests.bench.latency import parts
from tests.bench.queues import deepest
from tests.support.pipeline import Pipeline, pipeline

PATIENCE_SECONDS = 900.0
LIMIT_SECONDS = 2.0
"""So much later, at most, is another mailbox's single mail."""


async def run(count: int, others: int, seconds: float, rest: float, console: bool) -> dict[str, object]:
    """The figures."""
    crowded, *idle = mailboxes.names(others + 1)
    at_rest, singles = round(rest * others), round((rest + seconds) * others)
    stream = mails(singles + count)
    raws = list(islice(stream, singles))
    calibration = machine.calibrate(raws)
    with tempfile.TemporaryDirectory(prefix="mail-automator-bench-") as folder:
        Path(folder).chmod(0o755)
        users = dict.fromkeys((crowded, *idle), "for the bench")
        async with pipeline(Path(folder), users, environ={}, tap=False) as system, AsyncExitStack() as stack:
            for raw in stream:
                system.dovecot.deliver(crowded, raw)
            await mailboxes.add(system, idle)
            await mailboxes.at_rest(system, others)
            arrivals = await stack.enter_async_context(subscribed(system))
            alone = await deliver(system, idle, raws[:at_rest], others)
            await awaited(arrivals, range(at_rest), PATIENCE_SECONDS)
            pages: Mapping[str, list[float]] = {}
            if console:
                pages = await stack.enter_async_context(console_pages.looked_at(system))
            depths = await stack.enter_async_context(deepest(system))
            await _begun(system, crowded)
            began, before = time.monotonic(), len(arrivals)
            beside = await deliver(system, idle, raws[at_rest:], others, lambda: len(arrivals) >= count + at_rest)
            taken, lasted = len(arrivals) - before, time.monotonic() - began
            await awaited(arrivals, range(at_rest + len(beside)), PATIENCE_SECONDS)
            delivered = dict(enumerate(beside, at_rest))
            spans = await parts(system, idle, delivered, arrivals)
            peaks = {name: round(one.peak_mib) for name, one in (await costs.look(system)).usage.items()}
    latency = {"at rest": _latency(arrivals, alone, 0), "beside a backlog": _latency(arrivals, beside, at_rest)}
    return {
        "bench": "fair",
        "machine": machine.described(),
        "calibration_cpu_ms_per_mail": calibration,
        "mails": count,
        "others": others,
        "singles": {"at rest": len(alone), "beside a backlog": len(beside)},
        "seconds": round(lasted, 1),
        "mails_per_second": round(taken / lasted, 1),
        "latency_ms": latency,
        "later_ms": {
            key: round(value - latency["at rest"][key], 1) for key, value in latency["beside a backlog"].items()
        },
        "parts_ms": spans,
        "deepest_queue": dict(depths),
        "peak_mib": peaks,
        "pages_ms": console_pages.typical(pages),
    }


async def _begun(system: Pipeline, name: str) -> None:
    """Describe the mailbox with the backlog, and wait until its first mails are in the books."""
    await mailboxes.add(system, [name])
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not await system.store.ledger.recent(name, 1):
            await asyncio.sleep(0.1)


def _latency(arrivals: Arrivals, delivered: Sequence[float], first: int) -> dict[str, float]:
    return spread([arrivals[first + number] - at for number, at in enumerate(delivered)])


def main() -> None:
    """Entry of `make bench-fair`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mails", type=int, default=20_000)
    parser.add_argument("--others", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--rest", type=float, default=20)
    parser.add_argument("--console", action="store_true", help="ask for the console's main pages, one a second")
    results.add_arguments(parser)
    options = parser.parse_args()
    result = uvloop.run(run(options.mails, options.others, options.seconds, options.rest, options.console))
    results.show_lines(result)
    later = result["later_ms"]
    assert isinstance(later, Mapping)
    print(f"a single mail is {later} ms later beside a backlog (at most {1000 * LIMIT_SECONDS:g})")
    results.keep(options, f"fair-{options.mails}-and-{options.others}", result)


if __name__ == "__main__":
    main()
