"""What mails cost: CPU and memory by process, time by stage, round trips to the store. From /proc and from /metrics."""

import asyncio
import urllib.request
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

from prometheus_client.parser import text_string_to_metric_families

from tests.bench.cpu import Usage, difference, usage
from tests.support.pipeline import Pipeline

OURS = ("fetcher", "filter", "parsers", "classifier", "ticket_writer", "notifier", "bookkeeper", "console")
SERVICES = tuple(one for one in OURS if one != "parsers")
PER_MAIL = ("fetcher", "filter", "classifier", "ticket_writer", "notifier")
"""Those whose round trips grow with mail."""

COMMANDS, SECONDS = "mail_automator_store_commands_total", "mail_automator_store_command_seconds_total"
ByCommand = Mapping[str, float]
"""Round trips, or the seconds they took, by collection and command (`mails.insert`)."""


@dataclass(frozen=True)
class Look:
    """Everything so far."""

    usage: Mapping[str, Usage]
    trips: Mapping[str, ByCommand]
    waited: Mapping[str, ByCommand]
    worked: Mapping[str, float]


async def look(system: Pipeline) -> Look:
    """At this moment."""
    pids = system.system.processes
    found = {name: usage(some) for name, some in pids.items()} | {"dovecot": usage([system.dovecot.pid])}
    alone = usage(pids.get("filter", ()), children=False)
    if "filter" in found:
        whole = found["filter"]
        found["parsers"] = Usage(whole.seconds - alone.seconds, whole.peak_mib - alone.peak_mib)
        found["filter"] = alone
    samples = {name: await _samples(system, name) for name in SERVICES if name in pids}
    return Look(
        usage=found,
        trips={name: _by_command(some, "mail_automator_store_commands_total") for name, some in samples.items()},
        waited={
            name: _by_command(some, "mail_automator_store_command_seconds_total") for name, some in samples.items()
        },
        worked={name: _worked(some) for name, some in samples.items()},
    )


def per_mail(before: Look, after: Look, mails: int) -> dict[str, object]:
    """The figures between two looks, divided by mails: milliseconds of CPU, round trips, and the peak of memory."""
    used = difference(after.usage, before.usage)
    trips = {name: _more(before.trips[name], some) for name, some in after.trips.items()}
    waited = {name: _more(before.waited[name], some) for name, some in after.waited.items()}
    with_mail = sum(sum(trips[name].values()) for name in PER_MAIL if name in trips)
    ours = sum(used[name].seconds for name in OURS if name in used)
    return {
        "cpu_ms_per_mail": {name: round(1000 * one.seconds / mails, 3) for name, one in _ordered(used).items()},
        "cpu_ms_per_mail_ours": round(1000 * ours / mails, 3),
        "cpu_ms_per_mail_all": round(1000 * sum(one.seconds for one in used.values()) / mails, 3),
        "peak_mib": {name: round(one.peak_mib) for name, one in _ordered(used).items()},
        "store_trips_per_mail": {name: round(sum(some.values()) / mails, 3) for name, some in trips.items()},
        "store_trips_per_mail_all": round(with_mail / mails, 3),
        "store_trips": trips,
        "store_ms_waited_per_mail": {
            name: {command: round(1000 * seconds / mails, 3) for command, seconds in some.items()}
            for name, some in waited.items()
        },
    }


def busy(before: Look, after: Look, seconds: float, workers: int) -> dict[str, float]:
    """How much of the time each stage was at work, or waited for store or broker. 1: all the time, of all batches that
    it handles side by side (of the fetcher: of one mailbox)."""
    spent = {name: after.worked[name] - before.worked[name] for name in after.worked}
    shares = {name: one / seconds / (1 if name == "fetcher" else workers) for name, one in spent.items()}
    return {name: round(min(1.0, one), 2) for name, one in shares.items() if one}


def _ordered(found: Mapping[str, Usage]) -> dict[str, Usage]:
    names = [*(name for name in OURS if name in found), *(name for name in found if name not in OURS)]
    return {name: found[name] for name in names}


Sample = tuple[str, Mapping[str, str], float]


async def _samples(system: Pipeline, service: str) -> list[Sample]:
    found: list[Sample] = []
    for url in system.system.admin_urls(service):
        with await asyncio.to_thread(urllib.request.urlopen, f"{url}/metrics", timeout=30) as answer:
            text = answer.read().decode()
        found += [
            (one.name, one.labels, one.value) for some in text_string_to_metric_families(text) for one in some.samples
        ]
    return found


def _by_command(samples: list[Sample], name: str) -> ByCommand:
    found: defaultdict[str, float] = defaultdict(float)
    for metric, labels, value in samples:
        if metric == name:
            found[f"{labels['collection'] or '-'}.{labels['command']}"] += value
    return found


def _more(before: ByCommand, after: ByCommand) -> dict[str, float]:
    """What has been added, the most first."""
    found = {command: value - before.get(command, 0) for command, value in after.items()}
    return dict(sorted(((one, value) for one, value in found.items() if value), key=lambda one: -one[1]))


def _worked(samples: list[Sample]) -> float:
    sums = ("mail_automator_stage_duration_seconds_sum", "mail_automator_mailbox_poll_duration_seconds_sum")
    return sum(value for metric, _, value in samples if metric in sums)
