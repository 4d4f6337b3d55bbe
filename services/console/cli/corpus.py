"""`simulate --corpus`: a folder of mails through parser, filter and classifier; the worst first, and the sum."""

import asyncio
from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from services.console import corpus
from services.console.cli.exits import Exit
from services.console.cli.output import Printer
from services.console.corpus import Outcome, Sum, Try
from shared.domain.errors import ConfigurationError
from shared.domain.mailbox import Mailbox, MailboxSpec

SHOWN: Final = 50
"""Rows for people; programs get all."""
MEBIBYTE: Final = 1024 * 1024
COLUMNS: Final = ("mail", "bytes", "outcome", "reason", "milliseconds", "MiB", "flags")
TAKES_ALL: Final = Mailbox(
    name="corpus",
    spec=MailboxSpec.model_validate(
        {
            "module": "ticket",
            "email": "corpus@example.com",
            "imap": {"host": "imap.example.com"},
            "acknowledgements": {"enabled": False},
        }
    ),
)
"""The mailbox where none is named: no rule of it rejects anything."""


def run(printer: Printer, folder: str, trial: Try) -> int:
    """Try every mail of a folder, and print what came of it. Raises ConfigurationError if the folder cannot be read."""
    place, total = Path(folder), Sum()
    if not place.is_dir():
        raise ConfigurationError("is no folder", where=folder, remedy="name a folder of raw mails (.eml) or mboxes")

    async def work() -> list[Outcome]:
        async with aclosing(corpus.run(corpus.items(place), trial, total)) as outcomes:
            return [one async for one in outcomes]

    found = sorted(asyncio.run(work()), key=lambda one: one.badness, reverse=True)
    if not found:
        raise ConfigurationError("holds no mail", where=folder, remedy="name a folder of raw mails (.eml) or mboxes")
    if printer.for_people:
        _for_people(printer, found, total)
    else:
        printer.data({"mails": [asdict(one) for one in found], "sum": _sum(total)})
    return Exit.OK if total.complete else Exit.ERROR


def _for_people(printer: Printer, found: Sequence[Outcome], total: Sum) -> None:
    printer.table("The worst first", COLUMNS, [_row(one) for one in found[:SHOWN]])
    if len(found) > SHOWN:
        printer.line(f"and {len(found) - SHOWN} more, none of them slower or worse; --output json tells all")
    counted = _sum(total)
    counted["outcomes"] = ", ".join(f"{name} {count}" for name, count in total.kinds.most_common())
    counted["flags"] = ", ".join(f"{name} {count}" for name, count in total.flags.most_common())
    printer.pairs("Sum", counted)
    without = total.kinds[corpus.NO_OUTCOME]
    printer.line(f"{without} of {total.mails} mails had no outcome." if without else "Every mail had an outcome.")


def _row(one: Outcome) -> tuple[object, ...]:
    memory = None if one.memory is None else round(one.memory / MEBIBYTE)
    return (one.name, one.size, one.kind, one.reason, round(one.seconds * 1000, 1), memory, ", ".join(one.flags))


def _sum(total: Sum) -> dict[str, Any]:
    return {
        "mails": total.mails,
        "outcomes": dict(total.kinds.most_common()),
        "flags": dict(total.flags.most_common()),
        "seconds": round(total.seconds, 3),
        "slowest_seconds": round(total.slowest, 3),
        "peak_mebibytes": round(total.memory / MEBIBYTE),
        "deaths": total.deaths,
    }
