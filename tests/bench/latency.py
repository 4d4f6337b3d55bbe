"""Latency: mails that arrive one by one in mailboxes at rest, from delivery until a subscriber has the event.

    python -m tests.bench.latency [--rate 100] [--seconds 30] [--mailboxes 20] [--json] [--profile DIR]

A mail is delivered as a mail server does it: a file renamed into the Maildir. The fetcher hears of it by IDLE.
"""

import argparse
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import uvloop

from tests.bench import costs, machine, mailboxes, results
from tests.bench.arrivals import Arrivals, awaited, deliver, spread, subscribed
from tests.bench.generator import mails
from tests.bench.profiles import add_profile_argument, profiled
from tests.support.pipeline import Pipeline, pipeline

PATIENCE_SECONDS = 120.0


async def run(rate: float, seconds: float, boxes: int, profiles: Path | None = None) -> dict[str, object]:
    """The figures."""
    raws, names = list(mails(max(1, round(rate * seconds)))), mailboxes.names(boxes)
    calibration = machine.calibrate(raws)
    with tempfile.TemporaryDirectory(prefix="mail-automator-bench-") as folder:
        Path(folder).chmod(0o755)
        users = dict.fromkeys(names, "for the bench")
        async with pipeline(Path(folder), users, environ={}, tap=False) as system:
            await mailboxes.add(system, names)
            await mailboxes.at_rest(system, boxes)
            async with profiled(system, profiles), subscribed(system) as arrivals:
                before = await costs.look(system)
                delivered = await deliver(system, names, raws, rate)
                await awaited(arrivals, range(len(raws)), PATIENCE_SECONDS)
                after = await costs.look(system)
                spans = await parts(system, names, dict(enumerate(delivered)), arrivals)
            await system.balance()
    return {
        "bench": "latency",
        "machine": machine.described(),
        "calibration_cpu_ms_per_mail": calibration,
        "mails": len(raws),
        "mailboxes": boxes,
        "mails_per_second_asked": rate,
        "mails_per_second_delivered": round(len(raws) / (delivered[-1] - delivered[0] + 1 / rate), 1),
        "latency_ms": spread([arrivals[number] - at for number, at in enumerate(delivered)]),
        "parts_ms": spans,
        **costs.per_mail(before, after, len(raws)),
    }


async def parts(
    system: Pipeline, names: Sequence[str], delivered: Mapping[int, float], arrivals: Arrivals
) -> dict[str, dict[str, float]]:
    """What the time of the mails of these numbers consists of. Dovecot by itself tells of a mail half a second after it
    came (2.3.19)."""
    wall = time.time() - time.monotonic()
    steps = ("until it is stored", "until it is decided", "until the event is there")
    found: dict[str, list[float]] = {step: [] for step in steps}
    for entry in [one for name in names for one in await system.store.ledger.recent(name, len(arrivals))]:
        number = int(entry.headline.subject.rpartition(" ")[2])
        if number not in delivered:
            continue
        stored = entry.stored_at.timestamp() - wall
        decided = entry.decision.decided_at.timestamp() - wall if entry.decision else stored
        spans = (stored - delivered[number], decided - stored, arrivals[number] - decided)
        for step, seconds in zip(steps, spans, strict=True):
            found[step].append(seconds)
    return {name: spread(seconds) for name, seconds in found.items()}


def main() -> None:
    """Entry of `make bench-latency`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rate", type=float, default=100)
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument("--mailboxes", type=int, default=20)
    add_profile_argument(parser)
    results.add_arguments(parser)
    options = parser.parse_args()
    result = uvloop.run(run(options.rate, options.seconds, options.mailboxes, options.profile))
    results.show(
        f"from delivery to the subscriber, ms: {result['latency_ms']}, at {result['mails_per_second_delivered']} "
        f"mails/s in {result['mailboxes']} mailboxes at rest; in parts: {result['parts_ms']}",
        result,
    )
    results.keep(options, f"latency-{options.rate:g}", result)


if __name__ == "__main__":
    main()
