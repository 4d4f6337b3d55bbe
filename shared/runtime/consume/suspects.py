"""Which messages may be ending the process that works on them, and in which order they get their turn.

A mail that ends the process itself raises no error: the broker delivers it again, and counts. The more often a message
was delivered, the smaller the group in which it is handled; in the end it is tried alone, and how often is noted in the
ledger before: a mail that ended the process so a few times is quarantined untouched. Its neighbours are handled before
it, and none of this counts as an attempt of theirs.
"""

from collections.abc import Mapping, Sequence
from typing import TypeVar

from shared.broker.delivery import Delivery
from shared.contracts.messages import Message
from shared.domain.errors import Permanent
from shared.domain.ledger import LedgerEntry, State

M = TypeVar("M", bound=Message)

GROUPS: Mapping[int, int] = {3: 16, 4: 4}
"""Mails per group by deliveries: a message delivered this often may be killing its worker. Most are innocents that a
killed process held, and go through in groups; one that was delivered more often yet is handled alone."""
MAX_ALONE = 3
"""As often a mail may end the process while it is handled alone; then it is quarantined."""


class KillsWorker(Permanent):
    """The process ended each time it worked on this mail alone."""

    code = "kills_worker"


def suspect(delivery: Delivery, entry: LedgerEntry | None) -> bool:
    """Whether a message delivered again may be killing its worker. A copy of a known suspect is one at once."""
    return delivery.deliveries >= min(GROUPS) or _marked(entry)


def in_groups(
    suspects: Sequence[tuple[M, Delivery]], known: Mapping[str, LedgerEntry]
) -> tuple[list[list[tuple[M, Delivery]]], list[tuple[M, Delivery]]]:
    """The groups to handle, those first that are suspected least, so that the innocent are through before a killer is
    at work; and those to handle alone after them."""
    alone: list[tuple[M, Delivery]] = []
    together: dict[int, list[tuple[M, Delivery]]] = {}
    for pair in suspects:
        size = 1 if _marked(known.get(pair[0].mail_id)) else GROUPS.get(pair[1].deliveries, 1)
        (alone if size == 1 else together.setdefault(size, [])).append(pair)
    groups = [
        pairs[at : at + size]
        for size, pairs in sorted(together.items(), reverse=True)
        for at in range(0, len(pairs), size)
    ]
    return groups, alone


def times_alone(entry: LedgerEntry | None, stage: str) -> int:
    """How often this stage has tried the mail alone."""
    alone = entry.alone if entry else None
    return alone.times if alone is not None and alone.stage == stage else 0


def _marked(entry: LedgerEntry | None) -> bool:
    return entry is not None and (entry.alone is not None or entry.state is State.QUARANTINED)
