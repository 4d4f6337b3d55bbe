"""Who changed the catalogue: by a page or the API as a whole, by `apply` entry by entry."""

import itertools
from collections.abc import Iterator, Sequence
from typing import Final

from services.console.configuration.documents import CatalogueItem
from services.console.configuration.export import as_yaml, item_document
from services.console.web import mailbox_history
from services.console.web.mailbox_history import Line
from shared.domain.access import AuditRecord
from shared.store.client import Store

WHOLE: Final = "Catalogue"
KINDS: Final = (WHOLE, "Service", "Process", "Department")


async def changes_since(store: Store, old: int, new: int) -> tuple[AuditRecord, ...]:
    """The records of the changes that led from one revision to another, the newest first."""
    found = [one for kind in KINDS for one in await store.audit.page(kind=kind, limit=mailbox_history.LOOKED_AT)]
    found.sort(key=lambda one: one.record_id, reverse=True)
    saves = itertools.islice(_saves(tuple(mailbox_history.done(found))), max(new - old, 1))
    return tuple(one for save in saves for one in save)


def between(kind: str, old: CatalogueItem | None, new: CatalogueItem) -> Sequence[Line]:
    """What is different between two states of an entry, line by line."""
    before, after = ("" if one is None else as_yaml(item_document(one)) for one in (old, new))
    return mailbox_history.lines(mailbox_history.difference(kind, new.name, before, after))


def _saves(newest_first: Sequence[AuditRecord]) -> Iterator[list[AuditRecord]]:
    """What was saved at once: a whole catalogue, or what one `apply` changed of it."""
    for _, records in itertools.groupby(newest_first, _save):
        yield list(records)


def _save(record: AuditRecord) -> tuple[str, str]:
    return record.who, record.record_id if record.kind == WHOLE else ""
