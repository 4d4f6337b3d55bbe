"""Leases: how a fleet of fetchers shares thousands of mailboxes, in virtual time, through all kinds of churn.

    python -m tests.bench.leases [--mailboxes 10000] [--fetchers 50] [--seed 1] [--minutes 3] [--json]

The follower, watches, leases, renewals and the store's repositories are the real ones; the driver under them is in
memory, and mailboxes are empty. Ends with 1 if a mailbox ever has two holders, or something never settles.
"""

import argparse
import logging
import random
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict

import structlog
from rich.console import Console
from rich.table import Table

from tests.bench import machine, results
from tests.simulation.churn import at_rest, churned
from tests.simulation.virtual_time import elapsed, run
from tests.simulation.world import World

Result = dict[str, object]
TITLES = {
    "read_after": "all read after, s",
    "moved_after": "settled after, s",
    "longest_without_reader": "longest unread, s",
    "moves": "moves",
    "least_moves": "at least",
    "most_moves_of_one": "of one",
    "most_of_mailbox": "most per mailbox",
    "most_of_host": "per host",
    "sign_ins_in_a_second": "sign-ins/s",
    "smallest_share": "least held",
    "largest_share": "most held",
    "trips_in_a_second": "trips/s",
    "documents_in_a_second": "documents/s",
}


async def simulated(mailboxes: int, fetchers: int, seed: int, minutes: float) -> tuple[Result, list[Result]]:
    """The figures, and those of each event."""
    random.seed(seed)
    began, world, found = time.monotonic(), World(seed), list[Result]()
    async for one in churned(world, mailboxes, fetchers):
        found.append({key: _rounded(value) for key, value in asdict(one).items()})
        print(f"{elapsed():7.0f} s  {one.event}: all read after {one.read_after}, {one.moves} moves", flush=True)
    trips, documents = await at_rest(world, 60 * minutes)
    await world.terminate(*world.fetchers.values())
    never = [f"{one['event']}: not settled" for one in found if one["moved_after"] is None]
    result: Result = {
        "bench": "leases",
        "machine": machine.described(),
        "mailboxes": mailboxes,
        "fetchers": fetchers,
        "seed": seed,
        "virtual_seconds": round(elapsed()),
        "seconds": round(time.monotonic() - began),
        "trips_per_second_at_rest": round(trips, 1),
        "trips_per_mailbox_and_minute_at_rest": round(60 * trips / mailboxes, 2),
        "documents_per_second_at_rest": round(documents, 1),
        "failed": [*world.book.broken, *never],
    }
    return result, found


def show(result: Result, events: Sequence[Result]) -> None:
    """The table, then the rest."""
    table = Table("event", *TITLES.values())
    for one in events:
        table.add_row(str(one["event"]), *(str(one[key]) for key in TITLES))
    Console(width=200).print(table)
    results.show_lines(result)


def _rounded(value: object) -> object:
    return round(value, 1) if isinstance(value, float) else value


def main() -> None:
    """Entry of `make bench-leases`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mailboxes", type=int, default=10_000)
    parser.add_argument("--fetchers", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--minutes", type=float, default=3, help="of rest at the end, in virtual time")
    results.add_arguments(parser)
    options = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    result, events = run(simulated(options.mailboxes, options.fetchers, options.seed, options.minutes))
    show(result, events)
    results.keep(options, f"leases-{options.mailboxes}", {**result, "events": events})
    sys.exit(1 if result["failed"] else 0)


if __name__ == "__main__":
    main()
