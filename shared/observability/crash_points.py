"""Crash points: named places, one after each durable step, where a test may end this process as a power cut would.

Inert unless armed. A plan is `NAME:HIT:MARKER`: at that hit of that point (1 is the first) the process is killed, once;
the file MARKER tells everybody that it has happened. `NAME:HIT:MARKER:stop` stops it instead (SIGSTOP), until somebody
lets it go on. The setting MAIL_AUTOMATOR_CRASH_PLAN names a file with a plan, which each process reads at its start.
Must never do anything else, and nothing at all in production.
"""

import os
import signal
from dataclasses import dataclass
from pathlib import Path
from typing import Final

POINTS: Final = (
    "fetcher.after_raw",
    "fetcher.after_ledger",
    "fetcher.after_sightings",
    "fetcher.after_publish",
    "fetcher.after_cursor",
    "filter.after_claims",
    "filter.after_decisions",
    "stage.after_publish",
    "stage.after_settle",
    "stage.after_ack",
    "ticket_writer.after_numbers",
    "ticket_writer.after_decisions",
    "ticket_writer.after_tickets",
    "ticket_writer.after_articles",
    "ticket_writer.after_touch",
    "ticket_writer.after_duplicates",
    "ticket_writer.after_done",
    "bookkeeper.after_republish",
    "bookkeeper.after_relay",
    "notifier.after_taken",
    "notifier.after_claim",
    "notifier.after_budget",
    "notifier.after_data_started",
    "notifier.after_dot",
    "notifier.after_sent",
)
"""Every crash point there is. A test finds each of these words once in the code, and no other."""


@dataclass(slots=True)
class _Armed:
    """The one point of this process, and how often it has been passed."""

    name: str = ""
    hit: int = 0
    marker: Path = Path()
    stop: bool = False
    passed: int = 0


_armed = _Armed()


def arm(setting: str) -> None:
    """Arm this process. Raises ValueError for a setting that is not of the form, or names no point."""
    name, hit, marker, *rest = setting.split(":")
    if name not in POINTS:
        raise ValueError(f"{name} is no crash point")
    _armed.name, _armed.hit, _armed.marker, _armed.stop = name, int(hit), Path(marker), rest == ["stop"]


def arm_by(plan: Path) -> None:
    """Arm this process by the plan in that file, if there is one."""
    if plan.is_file():
        arm(plan.read_text().strip())


def crash_point(name: str) -> None:
    """Say that the durable step of that name is done."""
    if name != _armed.name:
        return
    _armed.passed += 1
    if _armed.passed == _armed.hit and not _armed.marker.exists():
        _armed.marker.touch()
        os.kill(os.getpid(), signal.SIGSTOP if _armed.stop else signal.SIGKILL)
