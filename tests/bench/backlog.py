"""Backlog: mails that already lie in one Dovecot mailbox, until each is a stored ticket with a confirmed event.

    python -m tests.bench.backlog [--mails 2000] [--json FILE]

Everything runs on this machine: broker, store, mail server, services. The calibration (a pure parse of the same mails
on one core, in the same run) makes figures of different machines comparable as ratios.
"""

import argparse
import asyncio
import json
import tempfile
import time
import urllib.request
from collections import Counter
from pathlib import Path

from pydantic import SecretStr
from rich.console import Console
from rich.table import Table

from shared.broker import topology
from shared.broker.client import Broker
from shared.broker.settings import BrokerSettings
from shared.mail.parse import parse
from shared.observability.metrics import Metrics
from tests.bench.cpu import Usage, difference, usage
from tests.bench.generator import mails
from tests.support.pipeline import Pipeline, pipeline

WORKERS = 2
"""Batches that a stage handles side by side (shared.runtime.consume.Lane)."""

STAGE_QUEUES = {"filter": topology.FILTER, "classifier": topology.CLASSIFIER, "ticket_writer": topology.TICKET_WRITER}


def calibrate(sample: list[bytes]) -> float:
    """Mails per second of a pure parse on one core."""
    started = time.perf_counter()
    for raw in sample:
        parse(raw)
    return len(sample) / (time.perf_counter() - started)


def look(system: Pipeline) -> dict[str, Usage]:
    """CPU and memory of everything, by process name."""
    found = {name: usage(pids) for name, pids in system.system.processes.items()}
    return found | {"dovecot": usage([system.dovecot.pid])}


async def watch(system: Pipeline, count: int, depths: Counter[str]) -> float:
    """Wait until every mail is done and no event is owed; returns seconds. Samples the queues on the way."""
    settings = BrokerSettings(url=SecretStr(system.system.broker_url))
    broker = await Broker.connect(settings, Metrics("bench", "0"))
    started = time.perf_counter()
    last = -1
    try:
        while True:
            done = await system.store.tickets.count()
            for stage, queue in STAGE_QUEUES.items():
                depths[stage] = max(depths[stage], await broker.depth(queue.name))
            if done >= count and done == last and not await _owed(system):
                return time.perf_counter() - started
            last = done
            await asyncio.sleep(0.25)
    finally:
        await broker.close()


async def _owed(system: Pipeline) -> bool:
    now = await system.store.server_time()
    outcomes = (await system.store.ledger.count_by_outcome()).get("support", {})
    return bool(outcomes.get("in_flight")) or bool(await system.store.tickets.pending_outbox(now, 1))


async def run(count: int) -> dict[str, object]:
    """One backlog; returns the figures."""
    raws = list(mails(count))
    calibration = calibrate(raws[:500])
    depths: Counter[str] = Counter()
    with tempfile.TemporaryDirectory(prefix="mail-automator-bench-") as folder:
        Path(folder).chmod(0o755)
        async with pipeline(Path(folder), {"support": "for the bench"}, environ={}, tap=False) as system:
            for raw in raws:
                system.dovecot.deliver("support", raw)
            before = look(system)
            await system.add_mailbox("support", "support")
            seconds = await watch(system, count, depths)
            used = difference(look(system), before)
            await system.balance()
            busy = await _busy(system, seconds)
    return {
        "mails": count,
        "average_bytes": sum(map(len, raws)) // count,
        "seconds": round(seconds, 2),
        "mails_per_second": round(count / seconds, 1),
        "calibration_parse_per_second_one_core": round(calibration, 1),
        "ratio_to_parse": round(count / seconds / calibration, 3),
        "cpu_ms_per_mail": {name: round(1000 * one.seconds / count, 3) for name, one in used.items()},
        "peak_mib": {name: round(one.peak_mib) for name, one in used.items()},
        "deepest_queue": dict(depths),
        "busy_share": busy,
        "store_cpu_share": round(used["store"].seconds / seconds, 2),
        "slowest_stage": max(busy, key=lambda stage: busy[stage]),
    }


async def _busy(system: Pipeline, seconds: float) -> dict[str, float]:
    """How much of the time each stage was at work (or waiting for the store or broker), from its own metrics.

    1 is all the time: of both batches that a stage handles side by side, of the one mailbox of the fetcher.
    """
    found = {"fetcher": await _sum(system, "fetcher", "mail_automator_mailbox_poll_duration_seconds_sum") / seconds}
    for stage in STAGE_QUEUES:
        found[stage] = await _sum(system, stage, "mail_automator_stage_duration_seconds_sum") / seconds / WORKERS
    return {stage: round(min(1.0, share), 2) for stage, share in found.items()}


async def _sum(system: Pipeline, service: str, metric: str) -> float:
    total = 0.0
    for url in system.system.admin_urls(service):
        with await asyncio.to_thread(urllib.request.urlopen, f"{url}/metrics", timeout=10) as answer:
            lines = answer.read().decode().splitlines()
        total += sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith(metric))
    return total


def show(result: dict[str, object]) -> None:
    """For people."""
    console = Console(width=110)
    console.print(
        f"[bold]{result['mails_per_second']} mails/s[/bold] end to end: {result['mails']} mails of "
        f"{result['average_bytes']} bytes in {result['seconds']} s (parse alone, one core, same run: "
        f"{result['calibration_parse_per_second_one_core']}/s; ratio {result['ratio_to_parse']})"
    )
    table = Table("process", "CPU ms per mail", "CPU seconds", "peak MiB", "deepest queue before it", "busy share")
    cpu, memory = result["cpu_ms_per_mail"], result["peak_mib"]
    depths, busy, count = result["deepest_queue"], result["busy_share"], result["mails"]
    assert isinstance(cpu, dict) and isinstance(memory, dict) and isinstance(depths, dict)
    assert isinstance(busy, dict) and isinstance(count, int)
    for name, milliseconds in cpu.items():
        seconds = f"{milliseconds * count / 1000:.2f}"
        table.add_row(
            name, f"{milliseconds:.3f}", seconds, str(memory[name]), str(depths.get(name, "")), str(busy.get(name, ""))
        )
    table.add_row("sum", f"{sum(cpu.values()):.3f}", f"{sum(cpu.values()) * count / 1000:.2f}", "", "", "")
    console.print(table)
    console.print(
        f"slowest stage: {result['slowest_stage']}, by its share of time at work or waiting for the store. "
        f"The store itself used {result['store_cpu_share']} of a core."
    )


def main() -> None:
    """Entry of `make bench`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mails", type=int, default=2000)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    result = asyncio.run(run(options.mails))
    show(result)
    if options.json:
        options.json.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
