"""What the command line prints: tables for people, JSON or YAML for programs. The only place that writes to stdout.

Text that came by mail is never trusted: control characters, which could command a terminal, are shown, not obeyed.
"""

import json
import re
import sys
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

import yaml
from rich.console import Console
from rich.table import Table
from rich.text import Text

Record = Mapping[str, Any]
UNSAFE = re.compile("[\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
"""What JSON leaves as it is although a terminal obeys it or cannot show it."""
WIDE = 200
"""Columns where the output is no terminal: wide enough that nothing is cut."""


class Format(StrEnum):
    """How results are printed."""

    TABLE = "table"
    JSON = "json"
    YAML = "yaml"


def plain(value: object) -> str:
    """A value as one safe line: None is a dash, a time is UTC, control and direction characters are escapes."""
    if value is None or value == "":
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, datetime):
        return value.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")
    return "".join(one if _harmless(one) else one.encode("unicode_escape").decode("ascii") for one in str(value))


def _harmless(character: str) -> bool:
    return character == " " or unicodedata.category(character) not in ("Cc", "Cf", "Cs", "Zl", "Zp")


@dataclass(frozen=True, slots=True)
class Printer:
    """Prints in the format that was asked for."""

    format: Format = Format.TABLE

    @property
    def for_people(self) -> bool:
        """Whether tables and sentences are wanted."""
        return self.format is Format.TABLE

    def records(self, title: str, columns: Sequence[str], records: Sequence[Record], empty: str = "nothing") -> None:
        """Several things: a table of the given fields for people, all fields of each for programs."""
        if not self.for_people:
            self.data(list(records))
        elif not records:
            self.line(f"{title}: {empty}")
        else:
            self.table(title, columns, [[record.get(name) for name in columns] for record in records])

    def table(self, title: str, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
        """A table for people. Column names are field names; underscores become spaces."""
        table = Table(header_style="bold")
        for name in columns:
            numeric = all(isinstance(row[len(table.columns)], int) for row in rows)
            table.add_column(name.replace("_", " "), justify="right" if numeric else "left", overflow="fold")
        for row in rows:
            table.add_row(*(Text(plain(cell)) for cell in row))
        console = _console()
        if title:
            console.print(Text(title, style="bold"))
        console.print(table)

    def pairs(self, title: str, pairs: Mapping[str, object]) -> None:
        """One thing for people: a field per line."""
        table = Table(show_header=False, box=None)
        table.add_column(style="bold")
        table.add_column(overflow="fold")
        for name, value in pairs.items():
            table.add_row(Text(name.replace("_", " ")), Text(plain(value)))
        console = _console()
        console.print(Text(plain(title), style="bold"))
        console.print(table)

    def data(self, value: object) -> None:
        """JSON or YAML, with stable field names."""
        if self.format is Format.YAML:
            sys.stdout.write(yaml.safe_dump(_simple(value), sort_keys=False, allow_unicode=True))
        else:
            text = json.dumps(_simple(value), indent=2, ensure_ascii=False)
            sys.stdout.write(UNSAFE.sub(lambda found: f"\\u{ord(found[0]):04x}", text) + "\n")

    def live(self, record: Record) -> None:
        """One of several records, as soon as it is known: a line of JSON, or an item of a YAML list."""
        if self.format is Format.YAML:
            self.data([record])
        else:
            text = json.dumps(_simple(record), ensure_ascii=False)
            sys.stdout.write(UNSAFE.sub(lambda found: f"\\u{ord(found[0]):04x}", text) + "\n")
        sys.stdout.flush()

    def line(self, text: str = "") -> None:
        """A sentence for people."""
        sys.stdout.write(plain(text) + "\n" if text else "\n")

    def block(self, text: str) -> None:
        """Several lines, made safe one by one."""
        sys.stdout.write("".join(f"{plain(line) if line else ''}\n" for line in text.splitlines()))


def complain(kind: str, text: str) -> None:
    """One line on standard error: `error: ...` or `warning: ...`."""
    sys.stderr.write(f"{kind}: {plain(text)}\n")


def _console() -> Console:
    return Console(file=sys.stdout, highlight=False, width=None if sys.stdout.isatty() else WIDE)


def _simple(value: object) -> object:
    """Only what JSON knows; dates as ISO 8601."""
    return json.loads(json.dumps(value, default=_text))


def _text(value: object) -> object:
    if isinstance(value, tuple | set | frozenset):
        return list(value)  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]  # JSON checks it
    isoformat = getattr(value, "isoformat", None)
    return isoformat() if callable(isoformat) else str(value)
