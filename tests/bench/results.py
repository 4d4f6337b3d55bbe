"""What a bench found: shown to people, and kept as JSON, from which docs/performance.md is written."""

import argparse
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import cast

from rich.console import Console
from rich.table import Table

FOLDER = Path(__file__).parent / "results"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """`--json [FILE]`."""
    parser.add_argument(
        "--json",
        type=Path,
        nargs="?",
        const=Path(),
        help="keep the figures (in tests/bench/results)",
    )


def keep(options: argparse.Namespace, name: str, result: Mapping[str, object]) -> None:
    """Write the figures, if that was asked for."""
    if options.json is None:
        return
    file = FOLDER / f"{name}.json" if options.json == Path() else options.json
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(result, indent=2) + "\n")
    Console().print(f"kept in {file}")


def numbers(result: Mapping[str, object], name: str) -> Iterator[tuple[str, float]]:
    """The figures of one name, by process."""
    found = result.get(name)
    assert isinstance(found, Mapping), name
    for key, value in cast("Mapping[str, float]", found).items():
        yield key, float(value)


def show(headline: str, result: Mapping[str, object]) -> None:
    """The headline, then a line for each process."""
    console = Console(width=118)
    console.print(headline, highlight=False)
    columns = ("cpu_ms_per_mail", "store_trips_per_mail", "peak_mib", "deepest_queue", "busy_share")
    titles = ("CPU ms per mail", "store round trips per mail", "peak MiB", "deepest queue before it", "busy share")
    shown = [
        (title, dict(numbers(result, name))) for title, name in zip(titles, columns, strict=True) if name in result
    ]
    table = Table("process", *(title for title, _ in shown))
    for name, _ in numbers(result, "cpu_ms_per_mail"):
        table.add_row(name, *(_cell(found.get(name)) for _, found in shown))
    table.add_row("ours", f"{result['cpu_ms_per_mail_ours']}", f"{result['store_trips_per_mail_all']}")
    table.add_row("all", f"{result['cpu_ms_per_mail_all']}")
    console.print(table)
    console.print(f"parse alone, CPU ms per mail: {result['calibration_cpu_ms_per_mail']}", highlight=False)


def show_lines(result: Mapping[str, object]) -> None:
    """Each figure on a line of its own."""
    for name, value in result.items():
        Console(width=118).print(f"{name}: {value}", highlight=False)


def show_growth(result: Mapping[str, object]) -> None:
    """A line for each size."""
    table = Table("stored", "mails/s", "CPU ms per mail, ours", "store", "all", "store round trips per mail")
    for one in cast("Sequence[Mapping[str, object]]", result["sizes"]):
        store = dict(numbers(one, "cpu_ms_per_mail"))["store"]
        cells = (one["stored"], one["mails_per_second"], one["cpu_ms_per_mail_ours"], store)
        table.add_row(*map(str, (*cells, one["cpu_ms_per_mail_all"], one["store_trips_per_mail_all"])))
    Console(width=118).print(table)


def _cell(value: float | None) -> str:
    return "" if value is None else f"{value:g}"
