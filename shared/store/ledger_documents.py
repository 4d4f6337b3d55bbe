"""Ledger entries as documents, and back. Pure."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from shared.domain.decision import Decision, Kind
from shared.domain.ledger import Gone, KnownMail, LedgerEntry, State
from shared.domain.patterns import domain_of
from shared.domain.ticket import OutboxEvent
from shared.store import seek
from shared.store.collection import Document, milliseconds, read

IN_FLIGHT = "in_flight"
QUARANTINED = "quarantined"
OUTCOMES = (*(kind.value for kind in Kind), QUARANTINED, IN_FLIGHT)
"""Every way a mail can stand, for counting."""

_PLAIN = ("origin", "raw_kind", "headline", "state", "decision", "trace", "attempts", "failure", "stored_at")

_LATER = ("version", "history", "replay", "alone")
"""Fields that an entry from before them lacks."""


def document_of(entry: LedgerEntry) -> Document:
    """The document of a new entry."""
    content = entry.model_dump(include={*_PLAIN, *_LATER})
    in_flight = entry.state in (State.STORED, State.DECIDED)
    times = moving(entry.progress_at, entry.next_attempt_at) if in_flight else resting(entry.progress_at)
    owing = outbox_fields((), entry.progress_at)
    return {"_id": entry.mail_id, **content, **times, **owing, "tally": _tally(standing(entry)[0]), "seek": keys(entry)}


def entry_of(document: Document) -> LedgerEntry:
    """The entry in a document."""
    fields = {key: document[key] for key in _PLAIN} | {key: document[key] for key in _LATER if key in document}
    return read(LedgerEntry, {"mail_id": document["_id"], **fields, **document["clock"], "gone": gone_of(document)})


def gone_of(document: Document) -> Gone:
    """What was deleted of a mail. Kept in milliseconds, each mark for itself: a date is no leaf."""
    marks: dict[str, int] = document.get("gone") or {}
    return Gone(**{name: datetime.fromtimestamp(at / 1000, UTC) for name, at in marks.items()})


def known_of(document: Document) -> KnownMail:
    """What a document says of a mail that others refer to."""
    fields = {name: document[name] for name in ("state", "decision", "stored_at")}
    names = {"mailbox": document["origin"]["mailbox"], "message_id": document["headline"]["message_id"]}
    return read(KnownMail, {"mail_id": document["_id"], **names, **fields})


def decision_of(content: Document) -> Decision:
    """The decision in a document."""
    return read(Decision, content)


def to_millisecond(decision: Decision) -> Decision:
    """A decision as it will be read back: the store keeps milliseconds."""
    at = decision.decided_at
    return decision.model_copy(update={"decided_at": at.replace(microsecond=at.microsecond // 1000 * 1000)})


def moving(progress_at: datetime, next_attempt_at: datetime | None = None) -> dict[str, Any]:
    """The times of a mail in flight: when it last got on, and when to try again (None: not asked for).

    `retry_ms` and `stall_ms` say the same to a search: exactly one of them is set.
    """
    retry = None if next_attempt_at is None else milliseconds(next_attempt_at)
    stall = milliseconds(progress_at) if retry is None else None
    return _times(progress_at, next_attempt_at) | {"retry_ms": retry, "stall_ms": stall}


def resting(progress_at: datetime) -> dict[str, Any]:
    """The times of a mail that is not in flight: no search for due ones finds it."""
    return _times(progress_at, None) | {"retry_ms": None, "stall_ms": None}


def _times(progress_at: datetime, next_attempt_at: datetime | None) -> dict[str, Any]:
    return {"clock": {"progress_at": progress_at, "next_attempt_at": next_attempt_at}}


def outbox_fields(outbox: Sequence[OutboxEvent], since: datetime) -> dict[str, Any]:
    """The events owed, and since when, for the search for them; None if there are none."""
    owed = milliseconds(since) if outbox else None
    return {"outbox": [event.model_dump() for event in outbox], "owed_ms": owed}


def standing(entry: LedgerEntry) -> tuple[str, str | None]:
    """Under which of OUTCOMES a mail stands, and the code of the reason."""
    if entry.state is State.QUARANTINED:
        return QUARANTINED, entry.failure.code if entry.failure else None
    if entry.state is State.STORED or entry.decision is None:
        return IN_FLIGHT, None
    return entry.decision.kind.value, entry.decision.reason.value


def keys(entry: LedgerEntry) -> dict[str, Any]:
    """The keys by which a mail is found: those by arrival never change, `outcome` and `reason` do (see `ended`)."""
    at, mail_id, sender = entry.stored_at, entry.mail_id, entry.headline.sender
    outcome, reason = standing(entry)
    since = entry.progress_at
    return {
        "all": seek.key("", at, mail_id),
        "mailbox": seek.key(entry.origin.mailbox, at, mail_id),
        "sender": seek.key(sender, at, mail_id) if sender else None,
        "domain": seek.key(domain_of(sender), at, mail_id) if sender else None,
        "outcome": seek.key(outcome, since, mail_id),
        "reason": seek.key(reason, since, mail_id) if reason else None,
    }


def ended(mail_id: str, outcome: str, reason: str | None, at: datetime) -> dict[str, Any]:
    """How a mail stands since an instant: one mark under one of OUTCOMES, sums of which are the counts, and the keys by
    which those that stand so are found."""
    return {
        "tally": _tally(outcome),
        "seek.outcome": seek.key(outcome, at, mail_id),
        "seek.reason": seek.key(reason, at, mail_id) if reason else None,
    }


def _tally(outcome: str) -> dict[str, int]:
    return {outcome: 1}
