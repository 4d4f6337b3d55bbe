"""`secrets key|status|rotate-key`: keys of the secrets in the store. Prints ids of keys, never a key or a secret."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from services.console import changes
from services.console.cli.actor import actor
from services.console.cli.exits import Exit
from services.console.cli.output import Printer
from services.console.cli.session import session_of
from services.console.configuration.problems import ConfigurationProblems
from shared.store.client import Store
from shared.store.keys import create_key_file, from_file
from shared.store.rotation import Found, Report

COLUMNS = ("key_id", "secrets", "current", "readable")


def key(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Where; must not exist.")],
) -> int:
    """Make a new key file for the secrets in the store, readable by its owner only. Keep a copy in a safe place."""
    printer = session_of(context).printer
    create_key_file(file)
    key_id = from_file(file).key_id
    if printer.for_people:
        printer.line(f"key {key_id} written to {file}: set MAIL_AUTOMATOR_STORE_KEY_FILE to it for every service")
    else:
        printer.data({"key_id": key_id, "file": str(file)})
    return Exit.OK


def status(context: typer.Context) -> int:
    """Say how many secrets are under which key, and whether old keys are still needed. Exit 1 if one cannot be read."""
    session = session_of(context)

    async def work(store: Store) -> tuple[str, tuple[Found, ...]]:
        return store.rotation.current_key(), await store.rotation.look()

    current, found = session.run(work)
    rows = _by_key(current, found)
    if session.printer.for_people:
        session.printer.table("Keys", COLUMNS, [[row[name] for name in COLUMNS] for row in rows])
        session.printer.line(_advice(current, found))
    else:
        session.printer.data({"current_key_id": current, "keys": rows, "advice": _advice(current, found)})
    _refuse(found)
    return Exit.OK


def rotate_key(
    context: typer.Context,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be re-wrapped.")] = False,
) -> int:
    """Wrap every secret in the store with the current key. Safe to interrupt and to repeat. Exit 1 if some are left."""
    session = session_of(context)

    async def work(store: Store) -> None:
        current, before = store.rotation.current_key(), await store.rotation.look()
        if dry_run:
            _say(session.printer, current, Report.of(before), dry_run=True)
            return
        old = {"secrets": {row["key_id"]: row["secrets"] for row in _by_key(current, before)}}
        new = {"current_key_id": current}
        async with changes.audited(store, actor(), "rotate_key", "Key", current, old=old, new=new):
            _say(session.printer, current, await store.rotation.rewrap(), dry_run=False)

    session.run(work)
    return Exit.OK


def _say(printer: Printer, current: str, report: Report, *, dry_run: bool) -> None:
    """Print what was done. Raises ConfigurationProblems if something is left."""
    left = Counter(one.key_id for one in report.left)
    if printer.for_people:
        done = "dry run, nothing written: to re-wrap" if dry_run else "re-wrapped"
        printer.line(f"{done} {report.rewrapped}, already under key {current} {report.already}, left {left.total()}")
        for key_id, count in sorted(left.items()):
            printer.line(f"left under key {key_id}: {count}")
    else:
        counts = {"rewrapped": report.rewrapped, "already": report.already, "left": dict(left)}
        printer.data({"current_key_id": current, "dry_run": dry_run, **counts})
    _refuse(report.left)


def _refuse(found: Sequence[Found]) -> None:
    """Raise ConfigurationProblems, one line for each secret that cannot be re-wrapped."""
    problems = [one.problem for one in found if one.problem is not None]
    if problems:
        raise ConfigurationProblems(problems)


def _by_key(current: str, found: Sequence[Found]) -> list[dict[str, Any]]:
    """A row for each key that something is under, and for the current one in any case."""
    counts = Counter(one.key_id for one in found)
    lost = {one.key_id for one in found if one.problem is not None and one.problem.code == "secret_key_missing"}
    return [
        {"key_id": one, "secrets": counts[one], "current": one == current, "readable": one not in lost}
        for one in sorted({current, *counts}, key=lambda one: (one != current, one))
    ]


def _advice(current: str, found: Sequence[Found]) -> str:
    others = len([one for one in found if one.key_id != current])
    if others == 0:
        return f"all {len(found)} secrets are under the current key {current}: no other key is needed for them"
    return f"{others} of {len(found)} secrets need an old key: keep it, and run `mail-automator secrets rotate-key`"
