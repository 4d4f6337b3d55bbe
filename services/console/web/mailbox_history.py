"""What a mailbox was before: its revisions, what changed from one to the next, and who changed it."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from services.console.changes import as_document
from services.console.configuration.diff import unified
from services.console.configuration.export import as_yaml
from services.console.configuration.plan import Action, Change, Plan
from shared.domain.access import AuditRecord
from shared.domain.mailbox import Mailbox
from shared.store.client import Store

LOOKED_AT = 200
"""Records of the audit log; older changes have no author here, but in the log."""
Kind = Literal["added", "removed", "place", "same"]
Line = tuple[Kind, str]
_KINDS: Mapping[str, Kind] = {"+": "added", "-": "removed", "@": "place"}


@dataclass(frozen=True, slots=True)
class Version:
    """A revision: what it changed, and who made it when, as far as the audit log tells."""

    mailbox: Mailbox
    lines: Sequence[Line]
    made: AuditRecord | None


async def versions(store: Store, name: str) -> tuple[Version, ...]:
    """All revisions, the newest first."""
    found = await store.versions.of(name)
    log = [one for one in await _log(store, name) if one.new is not None and one.action != "delete"]
    told: list[Version] = []
    for one, before in zip(found, (*found[1:], None), strict=True):
        made = next((record for record in log if record.new == as_document(one)), None)
        log = log[log.index(made) + 1 :] if made else log
        told.append(Version(one, lines(between(before, one)), made))
    return tuple(told)


async def changes_since(store: Store, name: str, revision: int, stored: Mailbox | None) -> tuple[AuditRecord, ...]:
    """The records of who changed or deleted it since that revision, the newest first."""
    newer = max(1, stored.revision - revision) if stored else 1
    return tuple(one for one in await _log(store, name) if one.action in tuple(Action))[:newer]


async def secret_set_at(store: Store, name: str, field: str) -> datetime | None:
    """When the stored secret of a field was last set; None if that is longer ago than the log is looked at."""
    return next((one.at for one in await _log(store, name) if one.secrets.get(field) == "changed"), None)


def between(before: Mailbox | None, after: Mailbox | None) -> str:
    """What is different, as a unified diff."""
    old, new = (as_yaml(as_document(one)) if one else "" for one in (before, after))
    either = after or before
    return difference("Mailbox", either.name, old, new) if either else ""


def difference(kind: str, name: str, old: str, new: str, around: int = 3) -> str:
    """What is different between two texts of a thing, as a unified diff with so many lines around; empty if nothing."""
    return unified(Plan((Change(Action.UPDATE, kind, name, old, new),)), around) if old != new else ""


def lines(text: str) -> Sequence[Line]:
    """A unified diff line by line, without its head: what each is, and its words."""
    return tuple(_lines(text))


def done(newest_first: Iterable[AuditRecord]) -> Iterator[AuditRecord]:
    """What came about: a record that a change failed takes back the one before it."""
    failed = Counter[tuple[str, str, str, str]]()
    for one in newest_first:
        key = (one.who, one.action, one.kind, one.name)
        if one.outcome == "failed":
            failed[key] += 1
        elif failed[key]:
            failed[key] -= 1
        else:
            yield one


def _lines(text: str) -> Iterator[Line]:
    for line in text.splitlines():
        if not line.startswith(("---", "+++")):
            yield _KINDS.get(line[:1], "same"), line


async def _log(store: Store, name: str) -> tuple[AuditRecord, ...]:
    return tuple(done(await store.audit.page(kind="Mailbox", name=name, limit=LOOKED_AT)))
