"""Ledger entries as documents, and back. Pure."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from shared.domain.decision import Decision
from shared.domain.ledger import LedgerEntry
from shared.domain.ticket import OutboxEvent
from shared.store.collection import Document

_PLAIN = ("origin", "raw_kind", "headline", "state", "decision", "trace", "attempts", "failure", "stored_at")


def document_of(entry: LedgerEntry) -> Document:
    """The document of a new entry."""
    content = entry.model_dump(include=set(_PLAIN))
    times = clock(entry.progress_at, entry.next_attempt_at)
    return {"_id": entry.mail_id, **content, **outbox_fields(()), **times}


def entry_of(document: Document) -> LedgerEntry:
    """The entry in a document."""
    fields = {key: document[key] for key in _PLAIN}
    return LedgerEntry.model_validate({"mail_id": document["_id"], **fields, **document["clock"]})


def decision_of(content: Document) -> Decision:
    """The decision in a document."""
    return Decision.model_validate(content)


def to_millisecond(decision: Decision) -> Decision:
    """A decision as it will be read back: the store keeps milliseconds."""
    at = decision.decided_at
    return decision.model_copy(update={"decided_at": at.replace(microsecond=at.microsecond // 1000 * 1000)})


def clock(progress_at: datetime, next_attempt_at: datetime | None = None) -> dict[str, Any]:
    """The field `clock`: when the mail last got on, and when to try again (None: not asked for)."""
    return {"clock": {"progress_at": progress_at, "next_attempt_at": next_attempt_at}}


def outbox_fields(outbox: Sequence[OutboxEvent]) -> dict[str, Any]:
    """The events owed, and whether there are any."""
    return {"outbox": [event.model_dump() for event in outbox], "outbox_pending": bool(outbox)}
