"""Backlog: mails that already lie in Dovecot, until each is a stored ticket with a confirmed event.

    python -m tests.bench.backlog [--mails 2000] [--mailboxes 1] [--json] [--profile DIR]

Everything runs on this machine: broker, store, mail server, services. The clock starts when the first mailbox is
connected, and stops when no mail is in flight and no event is owed.
"""

import argparse
import asyncio
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

import orjson
import uvloop

from shared.domain.mailbox import Module
from tests.bench import costs, machine, mailboxes, results
from tests.bench.generator import mails
from tests.bench.profiles import add_profile_argument, profiled
from tests.bench.queues import LOOK_SECONDS, deepest
from tests.support.pipeline import Pipeline, pipeline

WORKERS = 2
"""Batches that a stage handles side by side (shared.runtime.consume.loop.Lane)."""


async def run(count: int, boxes: int, profiles: Path | None = None) -> dict[str, object]:
    """One backlog; returns the figures."""
    raws, names = list(mails(count)), mailboxes.names(boxes)
    calibration = machine.calibrate(raws)
    with tempfile.TemporaryDirectory(prefix="mail-automator-bench-") as folder:
        Path(folder).chmod(0o755)
        users = dict.fromkeys(names, "for the bench")
        async with pipeline(Path(folder), users, environ={}, tap=False) as system:
            for at, raw in enumerate(raws):
                system.dovecot.deliver(names[at % boxes], raw)
            async with profiled(system, profiles), deepest(system) as depths:
                before = await costs.look(system)
                await mailboxes.add(system, names)
                ended = await done(system, count)
                after = await costs.look(system)
            assert await system.store.tickets.count() == count, "each mail is one ticket"
            seconds = ended - connected(system.log)
            await system.balance()
    figures = costs.per_mail(before, after, count)
    shares = costs.busy(before, after, seconds, WORKERS)
    ratios = {name: round(one / calibration["parser"], 2) for name, one in results.numbers(figures, "cpu_ms_per_mail")}
    return {
        "bench": "backlog",
        "machine": machine.described(),
        "calibration_cpu_ms_per_mail": calibration,
        "mails": count,
        "mailboxes": boxes,
        "average_bytes": sum(map(len, raws)) // count,
        "seconds": round(seconds, 2),
        "mails_per_second": round(count / seconds, 1),
        **figures,
        "cpu_ratio_to_parse": ratios,
        "deepest_queue": dict(depths),
        "busy_share": shares,
        "slowest_stage": max(shares, key=lambda stage: shares[stage]),
    }


async def done(system: Pipeline, count: int) -> float:
    """Wait until so many mails are tickets and no event is owed; returns when (Unix time).

    Asks what costs as little with a million stored: tickets are counted by the numbers that they took.
    """
    while await _numbered(system) < count or await _owed(system):
        await asyncio.sleep(LOOK_SECONDS)
    return time.time()


def connected(log: list[str]) -> float:
    """When (Unix time) a fetcher first opened a mailbox."""
    for line in log:
        _, brace, rest = line.partition("{")
        if brace and "mailbox_connected" in rest:
            told = orjson.loads(brace + rest)
            return datetime.fromisoformat(told["timestamp"]).astimezone(UTC).timestamp()
    raise AssertionError("no mailbox was connected")


async def _numbered(system: Pipeline) -> int:
    taken = await system.store.collection("counters").get(Module.TICKET.value)
    return int(taken["value"]) if taken else 0


async def _owed(system: Pipeline) -> bool:
    now = await system.store.server_time()
    return bool(await system.store.ledger.oldest_in_flight()) or bool(await system.store.tickets.pending_outbox(now, 1))


def main() -> None:
    """Entry of `make bench`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mails", type=int, default=2000)
    parser.add_argument("--mailboxes", type=int, default=1)
    add_profile_argument(parser)
    results.add_arguments(parser)
    options = parser.parse_args()
    result = uvloop.run(run(options.mails, options.mailboxes, options.profile))
    results.show(
        f"{result['mails_per_second']} mails/s end to end: {result['mails']} mails of {result['average_bytes']} bytes "
        f"in {result['mailboxes']} mailboxes, in {result['seconds']} s. Slowest stage: {result['slowest_stage']}, by "
        "its share of time at work or waiting for the store.",
        result,
    )
    results.keep(options, f"backlog-{options.mails}-in-{options.mailboxes}", result)


if __name__ == "__main__":
    main()
