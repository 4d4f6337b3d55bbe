"""Writes the part of docs/performance.md about mails, with its charts, from tests/bench/results: `make bench-page`.

Every number on the page comes from a file there; what was not run is not on it.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.bench.bars import Bar, chart
from tests.bench.results import FOLDER

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "performance.md"
IMAGES = ROOT / "docs" / "images"
BEGIN, END = "<!-- written by tests/bench/page.py: from here -->\n", "<!-- to here -->\n"
PERCENTILES = ("p50", "p95", "p99")
Result = Mapping[str, Any]


def main() -> None:
    """Write page and charts."""
    results = [json.loads(file.read_text()) for file in sorted(FOLDER.glob("*.json"))]
    head, _, rest = PAGE.read_text().partition(BEGIN)
    _, _, tail = rest.partition(END)
    PAGE.write_text(head + BEGIN + section(results) + END + tail)
    for name, svg in charts(results).items():
        (IMAGES / f"{name}.svg").write_text(svg)


def section(results: Sequence[Result]) -> str:
    """The text."""
    parts = [_backlogs(_of(results, "backlog")), _latency(_of(results, "latency"))]
    parts += [_fair(_of(results, "fair")), _idle(_of(results, "idle"))]
    parts += [_leases(_of(results, "leases")), _growth(_of(results, "growth"))]
    return "\n".join(part for part in parts if part)


def charts(results: Sequence[Result]) -> dict[str, str]:
    """The charts, by file name."""
    found: dict[str, str] = {}
    if backlogs := _of(results, "backlog"):
        bars = [Bar(_named(one), tuple(one["cpu_ms_per_mail"].items())) for one in backlogs]
        found["performance-backlog"] = chart("CPU milliseconds per mail, by process", bars)
    for one in _of(results, "growth"):
        bars = [Bar(f"{size['stored']:,} stored", tuple(size["cpu_ms_per_mail"].items())) for size in one["sizes"]]
        found["performance-growth"] = chart("CPU milliseconds per mail, by how many are stored", bars)
    return found


def _of(results: Sequence[Result], bench: str) -> list[Result]:
    return [one for one in results if one["bench"] == bench]


def _named(one: Result) -> str:
    boxes = one["mailboxes"]
    return f"{one['mails']:,} mails in {boxes} mailbox{'es' if boxes > 1 else ''}"


def _machine(one: Result) -> str:
    found = one["machine"]
    calibration = one["calibration_cpu_ms_per_mail"]
    return (
        f"{found['date']}, commit {found['commit']}, {found['cores']} cores of {found['processor']}, load average "
        f"{found['load_average']}. One core parses such a mail in {calibration['policy_default']} ms with the standard "
        f"library's `policy.default`, in {calibration['parser']} ms with ours."
    )


def _backlogs(found: Sequence[Result]) -> str:
    if not found:
        return ""
    lines = ["### A backlog\n", "![CPU milliseconds per mail, by process](images/performance-backlog.svg)\n"]
    rows = [
        (
            _named(one),
            one["mails_per_second"],
            one["cpu_ms_per_mail_ours"],
            one["cpu_ms_per_mail_all"],
            one["store_trips_per_mail_all"],
            one["slowest_stage"],
        )
        for one in found
    ]
    head = ("backlog", "mails/s", "CPU ms per mail, ours", "all", "store round trips per mail", "slowest stage")
    lines += [_table(head, rows)]
    lines += [f"{_named(one)}: {_machine(one)}\n" for one in found]
    lines += [_by_process(found[0])]
    return "\n".join(lines)


def _by_process(one: Result) -> str:
    trips, peaks, busy = one["store_trips_per_mail"], one["peak_mib"], one["busy_share"]
    ratios = one["cpu_ratio_to_parse"]
    rows = [
        (name, milliseconds, ratios[name], trips.get(name, ""), peaks[name], busy.get(name, ""))
        for name, milliseconds in one["cpu_ms_per_mail"].items()
    ]
    head = ("process", "CPU ms per mail", "to one parse", "store round trips per mail", "peak MiB", "busy share")
    return f"{_named(one)}, by process:\n\n" + _table(head, rows)


def _latency(found: Sequence[Result]) -> str:
    if not found:
        return ""
    rows = [
        (
            one["mails_per_second_delivered"],
            one["mailboxes"],
            *(one["latency_ms"][key] for key in ("p50", "p95", "p99")),
        )
        for one in found
    ]
    head = ("mails/s", "mailboxes", "p50, ms", "p95, ms", "p99, ms")
    text = "From the delivery of a mail into a mailbox at rest until a subscriber has the event `ticket.created`.\n"
    parts = [
        (name, one["mails_per_second_delivered"], *(spent[key] for key in PERCENTILES))
        for one in found
        for name, spent in one["parts_ms"].items()
    ]
    made_of = _table(("part", "mails/s", "p50, ms", "p95, ms", "p99, ms"), parts)
    text += "\nDovecot 2.3 tells of a mail about half a second after it came; that is in the first part below.\n"
    return f"### Latency\n\n{text}\n{_table(head, rows)}\n{made_of}\n" + "\n".join(
        f"{_machine(one)}\n" for one in found
    )


def _fair(found: Sequence[Result]) -> str:
    if not found:
        return ""
    rows = [
        (f"{one['mails']:,}", one["mails_per_second"], when, *(spent[key] for key in ("p50", "p95", "max")))
        for one in found
        for when, spent in (*one["latency_ms"].items(), ("later", one["later_ms"]))
    ]
    head = ("backlog", "mails/s", "single mails", "p50, ms", "p95, ms", "max, ms")
    first = found[0]
    text = (
        f"From delivery to event, of a mail a second in each of {first['others']} other mailboxes; how deep the "
        "queues got, and the most memory that each process had.\n"
    )
    return f"### Fair shares\n\n{text}\n{_table(head, rows)}\n{_bounds(found)}\n{_pages(found)}" + "\n".join(
        f"{_machine(one)}\n" for one in found
    )


def _bounds(found: Sequence[Result]) -> str:
    """Queue and memory of each process, for each backlog: they do not depend on it."""
    sizes = [f"{one['mails']:,} mails" for one in found]
    head = ("process", *(f"{what}, {size}" for what in ("deepest queue", "peak MiB") for size in sizes))
    rows = [
        (
            name,
            *(one["deepest_queue"].get(name, "") for one in found),
            *(one["peak_mib"].get(name, "") for one in found),
        )
        for name in found[0]["peak_mib"]
    ]
    return _table(head, rows)


def _pages(found: Sequence[Result]) -> str:
    """The console's pages beside a backlog, of the runs that asked for them."""
    rows = [
        (f"`{path}`", took["asked"], took["median"], took["slowest"])
        for one in found
        for path, took in one["pages_ms"].items()
    ]
    head = ("page of the console meanwhile", "asked", "median, ms", "slowest, ms")
    return f"{_table(head, rows)}\n" if rows else ""


def _idle(found: Sequence[Result]) -> str:
    if not found:
        return ""
    rows = [
        (
            one["mailboxes"],
            one["fetcher_mib"],
            one["cpu_ms_per_second"]["fetcher"],
            one["store_trips_per_second"]["fetcher"],
            one["cpu_ms_per_second"]["store"],
            one["noticed_ms"]["p50"],
            one["noticed_ms"]["p99"],
        )
        for one in found
    ]
    head = ("mailboxes", "fetcher, MiB", "its CPU, ms/s", "its store round trips/s", "store's CPU, ms/s")
    text = "One fetcher, each mailbox a connection in IDLE over TLS; then a mail here and there.\n"
    table = _table((*head, "mail to event, p50 ms", "p99 ms"), rows)
    return f"### Mailboxes at rest\n\n{text}\n{table}\n" + "\n".join(f"{_machine(one)}\n" for one in found)


def _leases(found: Sequence[Result]) -> str:
    if not found:
        return ""
    one = found[0]
    head = (
        "event",
        "all read after, s",
        "one unread at most, s",
        "moves",
        "least needed",
        "sign-ins/s",
        "held by each",
    )
    rows = [
        (
            event["event"],
            event["read_after"],
            event["longest_without_reader"],
            event["moves"],
            event["least_moves"],
            event["sign_ins_in_a_second"],
            f"{event['smallest_share']} to {event['largest_share']}",
        )
        for event in one["events"]
    ]
    most = max(event["most_of_mailbox"] for event in one["events"])
    text = (
        f"{one['mailboxes']:,} mailboxes and {one['fetchers']} fetchers in virtual time (`make bench-leases`, seed "
        f"{one['seed']}): seconds from the beginning of each event, mailboxes that changed hands and how many had to, "
        "and the most sign-ins within a second. "
        f"At no time had a mailbox more than {most} connection, or two holders.\n"
    )
    rest = (
        f"At rest the store is asked {one['trips_per_second_at_rest']} times a second, "
        f"{one['trips_per_mailbox_and_minute_at_rest']} times a minute for each mailbox, for "
        f"{one['documents_per_second_at_rest']} documents a second.\n"
    )
    return f"### Sharing mailboxes\n\n{text}\n{_table(head, rows)}\n{rest}"


def _growth(found: Sequence[Result]) -> str:
    if not found:
        return ""
    one = found[0]
    rows = [
        (
            f"{size['stored']:,}",
            size["mails_per_second"],
            size["cpu_ms_per_mail_ours"],
            size["cpu_ms_per_mail"]["store"],
            size["cpu_ms_per_mail_all"],
            ratio,
        )
        for size, ratio in zip(one["sizes"], one["cost_to_smallest"], strict=True)
    ]
    head = ("mails stored before", "mails/s", "CPU ms per mail, ours", "store", "all", "to the first")
    picture = "![CPU milliseconds per mail, by how many are stored](images/performance-growth.svg)\n"
    return f"### Growth\n\n{picture}\n{_table(head, rows)}\n{one['mails']} mails each. {_machine(one)}\n"


def _table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    lines = [" | ".join(head), "|".join(["---", *["---:"] * (len(head) - 1)])]
    lines += [" | ".join(map(str, row)) for row in rows]
    return "".join(f"| {line} |\n" if "---" not in line else f"|{line}|\n" for line in lines)


if __name__ == "__main__":
    main()
