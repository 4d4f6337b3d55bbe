"""Crash points: named places, one after each durable step, where a test may end this process as a power cut would.

Inert unless armed. A plan has lines `NAME:HIT:MARKER`: at that hit of that point (1 is the first) the process is
killed; the file MARKER, made then, tells everybody that it has happened. A line strikes once, whichever of the
processes that have it comes first. `NAME:HIT:MARKER:stop` stops the process instead (SIGSTOP), until somebody lets it
go on. The setting MAIL_AUTOMATOR_CRASH_PLAN names a file with a plan, which each process reads at its start.
Must never do anything else, and nothing at all in production.
"""

import os
import signal
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Final

BY_PLACE: Final = {
    "fetcher": (
        "fetcher.after_announced",
        "fetcher.after_lease",
        "fetcher.after_renewal",
        "fetcher.after_status",
        "fetcher.after_told",
        "fetcher.after_epoch",
        "fetcher.after_recognised",
        "fetcher.after_odd_sightings",
        "fetcher.after_raw",
        "fetcher.after_words",
        "fetcher.after_ledger",
        "fetcher.after_kept_away",
        "fetcher.after_sightings",
        "fetcher.after_publish",
        "fetcher.after_cursor",
        "fetcher.after_head",
        "fetcher.after_unfetchable",
        "fetcher.after_hole",
        "fetcher.after_note",
        "fetcher.after_gone",
        "fetcher.after_reappearance",
        "fetcher.after_reading",
        "fetcher.after_count",
        "fetcher.after_old_mail",
        "fetcher.after_copy",
        "fetcher.after_deletion_mark",
        "fetcher.after_action",
        "fetcher.after_release",
        "fetcher.after_retired",
    ),
    "stage": (
        "stage.after_alone",
        "stage.after_publish",
        "stage.after_settle",
        "stage.after_failure",
        "stage.after_quarantine",
        "stage.after_ack",
        "stage.after_reject",
        "stage.after_give_back",
    ),
    "filter": (
        "filter.after_claims",
        "filter.after_decisions",
    ),
    "ticket_writer": (
        "ticket_writer.after_numbers",
        "ticket_writer.after_decisions",
        "ticket_writer.after_tickets",
        "ticket_writer.after_reopening",
        "ticket_writer.after_articles",
        "ticket_writer.after_touch",
        "ticket_writer.after_duplicates",
        "ticket_writer.after_done",
        "ticket_writer.after_tickets_published",
        "ticket_writer.after_articles_published",
    ),
    "notifier": (
        "notifier.after_taken",
        "notifier.after_show",
        "notifier.after_shown",
        "notifier.after_ack",
        "notifier.after_reject",
        "notifier.after_unknown_ticket",
        "notifier.after_give_back",
        "notifier.after_claim",
        "notifier.after_renewal",
        "notifier.after_trial",
        "notifier.after_trouble",
        "notifier.after_trouble_ended",
        "notifier.after_budget",
        "notifier.after_counted",
        "notifier.after_data_started",
        "notifier.after_dot",
        "notifier.after_end",
        "notifier.after_sent",
        "notifier.after_recovery",
        "notifier.after_forgetting",
    ),
    "bookkeeper": (
        "bookkeeper.after_claims",
        "bookkeeper.after_republish",
        "bookkeeper.after_relay",
        "bookkeeper.after_tickets_relayed",
        "bookkeeper.after_articles_relayed",
        "bookkeeper.after_rejections_relayed",
        "bookkeeper.after_mails_relayed",
        "bookkeeper.after_dead_message",
        "bookkeeper.after_failure",
        "bookkeeper.after_quarantine",
        "bookkeeper.after_ack",
        "bookkeeper.after_give_back",
        "bookkeeper.after_books",
        "bookkeeper.after_hour",
        "bookkeeper.after_expired",
        "bookkeeper.after_fading_place",
        "bookkeeper.after_expired_audit",
    ),
    "outbox": (
        "outbox.after_publish",
        "outbox.after_published",
    ),
    "oauth": (
        "oauth.after_claim",
        "oauth.after_renewal",
        "oauth.after_refusal",
        "oauth.after_release",
    ),
    "store": (
        "store.after_small_raws",
        "store.after_chunks",
        "store.after_claims",
        "store.after_decisions",
        "store.after_replayed_decisions",
        "store.after_done",
        "store.after_address_budget",
        "store.after_hour_budget",
        "store.after_rewrap",
        "store.after_faded_words",
        "store.after_fading",
        "store.after_small_raws_deleted",
        "store.after_chunks_deleted",
        "store.after_erased_raw",
        "store.after_erased_article",
        "store.after_erased_acknowledgement",
        "store.after_erased_ticket",
        "store.after_left_ticket",
        "store.after_erased_fingerprints",
        "store.after_erased_budget",
    ),
}
"""The crash points: of a service, of every stage (`stage`), and inside what several services share. In each place they
stand in the order of the writes."""
POINTS: Final = tuple(chain.from_iterable(BY_PLACE.values()))
"""Every crash point there is. A test finds each of these words once in the code, and no other."""


@dataclass(slots=True)
class _Armed:
    """A point that this process dies at, and how often it has been passed."""

    hit: int
    marker: Path
    number: signal.Signals
    passed: int = 0


_armed: dict[str, _Armed] = {}


def arm(plan: str) -> None:
    """Arm this process by the lines of a plan. Raises ValueError for one that is not of the form, or names no point."""
    for line in filter(None, map(str.strip, plan.splitlines())):
        name, hit, marker, *rest = line.split(":")
        if name not in POINTS:
            raise ValueError(f"{name} is no crash point")
        number = signal.SIGSTOP if rest == ["stop"] else signal.SIGKILL
        _armed[name] = _Armed(int(hit), Path(marker), number)


def arm_by(plan: Path) -> None:
    """Arm this process by the plan in that file, if there is one."""
    if plan.is_file():
        arm(plan.read_text())


def crash_point(name: str) -> None:
    """Say that the durable step of that name is done."""
    armed = _armed.get(name)
    if armed is None:
        return
    armed.passed += 1
    if armed.passed == armed.hit and not armed.marker.exists():
        armed.marker.touch()
        os.kill(os.getpid(), armed.number)
