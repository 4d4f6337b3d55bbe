"""Growth: what a mail costs when many are in the books already.

    python -m tests.bench.growth [--sizes 1000 100000] [--mails 500] [--json]

The store is filled by its own methods, in bulk: ledger entries with the words of their subjects, sightings and
tickets, in mailboxes that nobody reads any more. Then the same backlog is taken as in `tests.bench.backlog`. Each size
has a system of its own. On the embedded store a hundred thousand are filled in two minutes, a million in twenty.
"""

import argparse
import asyncio
import tempfile
import time
from pathlib import Path

import uvloop

from tests.bench import costs, machine, mailboxes, results
from tests.bench.backlog import connected, done
from tests.bench.books import filled
from tests.bench.generator import mails
from tests.support.pipeline import Pipeline, pipeline

NAME = "box"
LIMIT = 1.2
SETTLE_SECONDS = 20.0
"""The bookkeeper has counted what is there by then."""


async def run(sizes: list[int], count: int) -> dict[str, object]:
    """The figures, for each size."""
    calibration = machine.calibrate(list(mails(count)))
    found = [await _with(size, count) for size in sizes]
    smallest = min(found, key=lambda one: int(str(one["stored"])))
    least = float(str(smallest["cpu_ms_per_mail_all"]))
    return {
        "bench": "growth",
        "machine": machine.described(),
        "calibration_cpu_ms_per_mail": calibration,
        "mails": count,
        "sizes": found,
        "cost_to_smallest": [round(float(str(one["cpu_ms_per_mail_all"])) / least, 2) for one in found],
    }


async def _with(size: int, count: int) -> dict[str, object]:
    """A backlog with so many mails stored before, in a system of its own."""
    with tempfile.TemporaryDirectory(prefix="mail-automator-bench-") as folder:
        Path(folder).chmod(0o755)
        async with pipeline(Path(folder), {NAME: "for the bench"}, environ={}, tap=False) as system:
            filling = time.monotonic()
            await filled(system.store, 0, size)
            filling = time.monotonic() - filling
            print(f"{size:,} mails are stored, in {filling:.0f} s", flush=True)
            await asyncio.sleep(SETTLE_SECONDS)
            return {"stored": size, "filled_seconds": round(filling, 1), **await _taken(system, count)}


async def _taken(system: Pipeline, count: int) -> dict[str, object]:
    for raw in mails(count):
        system.dovecot.deliver(NAME, raw)
    there = await system.store.tickets.count()
    before, since = await costs.look(system), len(system.log)
    await mailboxes.add(system, [NAME])
    ended = await done(system, count)
    after = await costs.look(system)
    assert await system.store.tickets.count() == there + count, "each mail is one ticket"
    seconds = ended - connected(system.log[since:])
    return {"mails_per_second": round(count / seconds, 1), **costs.per_mail(before, after, count)}


def main() -> None:
    """Entry of `make bench-growth`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=[1_000, 100_000])
    parser.add_argument("--mails", type=int, default=500)
    results.add_arguments(parser)
    options = parser.parse_args()
    result = uvloop.run(run(options.sizes, options.mails))
    results.show_growth(result)
    print(f"cost per mail against the smallest size: {result['cost_to_smallest']} (at most {LIMIT})")
    results.keep(options, "growth", result)


if __name__ == "__main__":
    main()
