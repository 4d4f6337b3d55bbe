"""The audit log (collection `audit`): who changed what, when. Append-only: nothing here updates, and only what is
older than its retention is deleted.

`old` and `new` are kept as JSON text: their keys are people's, and a store may refuse dots or dollars in keys.
"""

import itertools
import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal
from uuid import uuid4

from shared.domain.access import AuditRecord, SecretFate
from shared.store.collection import Collection, Database, Document, milliseconds, read
from shared.store.ports import Clock

_TEXT = ("old", "new", "secrets")


class Audit:
    """The log. Its record_ids sort by time, within a millisecond by the order in which one process wrote them."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._collection = Collection(database, "audit")
        self._clock = clock
        self._count = itertools.count()

    async def append(
        self,
        who: str,
        action: str,
        kind: str,
        name: str,
        *,
        old: Mapping[str, Any] | None = None,
        new: Mapping[str, Any] | None = None,
        secrets: Mapping[str, SecretFate] | None = None,
        outcome: Literal["done", "failed"] = "done",
    ) -> AuditRecord:
        """Write one record and return it. `old`, `new` must be JSON values without secrets."""
        now = self._clock.now()
        record = AuditRecord(
            record_id=f"{milliseconds(now):014d}-{next(self._count):06d}-{uuid4().hex[:12]}",
            at=now,
            who=who,
            action=action,
            kind=kind,
            name=name,
            old=None if old is None else dict(old),
            new=None if new is None else dict(new),
            secrets=dict(secrets or {}),
            outcome=outcome,
        )
        await self._collection.insert(_document(record))
        return record

    async def page(
        self, *, kind: str | None = None, name: str | None = None, before: str | None = None, limit: int = 50
    ) -> tuple[AuditRecord, ...]:
        """Records, the newest first, older than the record_id `before`."""
        wanted: dict[str, Any] = {"kind": kind, "name": name, "_id": {"$lt": before} if before else None}
        query = {key: value for key, value in wanted.items() if value is not None}
        return tuple(map(_record, await self._collection.find(query, sort=(("_id", -1),), limit=limit)))

    async def expire(self, before: datetime, limit: int) -> int:
        """Delete up to `limit` records that were written before an instant; how many."""
        query = {"_id": {"$lt": f"{milliseconds(before):014d}"}}
        found = await self._collection.find(query, only=("at",), limit=limit)
        return await self._collection.delete({"_id": {"$in": [one["_id"] for one in found]}}) if found else 0


def _document(record: AuditRecord) -> Document:
    fields = record.model_dump(exclude={"record_id", *_TEXT})
    texts = {name: json.dumps(getattr(record, name)) for name in _TEXT}
    return {"_id": record.record_id, **fields, **texts}


def _record(document: Document) -> AuditRecord:
    fields = {key: value for key, value in document.items() if key not in ("_id", *_TEXT)}
    texts = {name: json.loads(document[name]) for name in _TEXT}
    return read(AuditRecord, {"record_id": document["_id"], **fields, **texts})
