"""What the ledger can be asked. Reads only."""

from collections import Counter
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import chain
from typing import Any, NamedTuple

from shared.domain.decision import Kind
from shared.domain.ledger import KnownMail, LedgerEntry, State
from shared.domain.ticket import OutboxEvent
from shared.store import seek
from shared.store.collection import Collection, Document, Filter, among, read
from shared.store.ledger_documents import IN_FLIGHT, OUTCOMES, QUARANTINED, entry_of, known_of
from shared.store.legible import enough, legible
from shared.store.seek import Span
from shared.store.together import Together

_NEWEST_FIRST = (("stored_at", -1), ("_id", -1))
_REFERABLE = ("headline", "origin", "state", "decision", "stored_at")
_ARRIVED = ("stored_at", "origin", "decision")
_MANY, _FEW, _EXAMPLES = 2_000, 20, 3
COUNTED_AT_ONCE = 1_000
"""Mails: some 30 ms of the embedded store, which answers nobody else meanwhile."""
Counts = dict[str, Counter[str]]
_OLDEST_FIRST = (("stored_at", 1), ("_id", 1))


class Ended(NamedTuple):
    """Which of the mails that made no ticket are meant: those in quarantine, or those that were rejected for good; of
    one mailbox, for one reason, entered at or after `since` and before `until`. None: any."""

    quarantined: bool = True
    mailbox: str | None = None
    reason: str | None = None
    since: datetime | None = None
    until: datetime | None = None


class Cause(NamedTuple):
    """Mails that are in quarantine for one reason: how many, when the first and the last of them were entered, and the
    mail_ids of a few."""

    mails: int
    first: datetime
    last: datetime
    examples: tuple[str, ...] = ()

    def joined(self, at: datetime, mail_id: str) -> "Cause":
        """With one more."""
        examples = (*self.examples, mail_id)[-_EXAMPLES:]
        return Cause(self.mails + 1, min(self.first, at), max(self.last, at), examples)


class Arrived(NamedTuple):
    """A mail that came in: when, and when it was decided, if it was."""

    mail_id: str
    stored_at: datetime
    uid: int
    kind: Kind | None
    decided_at: datetime | None


class Subject(NamedTuple):
    """A mail as people name it."""

    mail_id: str
    mailbox: str
    sender: str | None
    subject: str


class Counted(NamedTuple):
    """How many mails of each mailbox came to which end, of those that arrived before `until` (None: of all)."""

    until: datetime | None
    rows: Counts


class LedgerQueries:
    """The reading half of the ledger."""

    def __init__(self, mails: Collection) -> None:
        self._mails = mails
        self._several = Together(self._get_all)

    async def get(self, mail_id: str) -> LedgerEntry | None:
        """The entry of a mail."""
        document = await self._mails.get(mail_id)
        return next(legible([document], entry_of), None) if document else None

    async def get_many(self, mail_ids: Iterable[str]) -> dict[str, LedgerEntry]:
        """Those of the mails that are in the books."""
        return await self._several(tuple(mail_ids))

    async def _get_all(self, calls: Sequence[Sequence[str]]) -> Sequence[dict[str, LedgerEntry]]:
        keys = [*dict.fromkeys(chain.from_iterable(calls))]
        found = await self._mails.find({"_id": {"$in": keys}}, without=("outbox",))
        entries = {one.mail_id: one for one in legible(found, entry_of)}
        return [{key: entries[key] for key in one if key in entries} for one in calls]

    async def contents_of(self, outline_ids: Sequence[str]) -> dict[str, str]:
        """The content of the mails that look like this without their body, by outline_id.

        Where different mails look alike there is no answer, and none for mails that were never given.
        """
        found = await self._mails.find({"origin.outline_id": {"$in": list(outline_ids)}}, only=("origin",))
        contents: dict[str, set[str]] = {}
        for origin in (one["origin"] for one in found):
            contents.setdefault(origin["outline_id"], set()).add(origin["content_id"])
        return {outline: next(iter(several)) for outline, several in contents.items() if len(several) == 1}

    async def of_message_ids(self, message_ids: Sequence[str]) -> tuple[KnownMail, ...]:
        """The mails that have one of these Message-IDs, in every mailbox, the newest first.

        Seen in practice: one id on thousands of mails. Of such an id only the newest few are looked at, and it hides
        none of the others.
        """
        if not message_ids:
            return ()
        query, single = {"headline.message_id": among(message_ids)}, len(message_ids) == 1
        limit, sort = (_FEW, _NEWEST_FIRST) if single else (_MANY, ())
        found = await self._mails.find(query, only=_REFERABLE, sort=sort, limit=limit)
        if single or len(found) < _MANY:
            return tuple(sorted(legible(found, known_of), key=lambda one: (one.stored_at, one.mail_id), reverse=True))
        half = len(message_ids) // 2
        return await self.of_message_ids(message_ids[:half]) + await self.of_message_ids(message_ids[half:])

    async def due(self, now: datetime, stalled_before: datetime, limit: int) -> tuple[LedgerEntry, ...]:
        """Up to `limit` mails in flight whose next attempt has come, or, with none set, that made no progress since."""
        found = await enough(limit, lambda most: self._mails.due("retry_ms", now, most), entry_of)
        if room := limit - len(found):
            found += await enough(room, lambda most: self._mails.due("stall_ms", stalled_before, most), entry_of)
        return found

    async def pending_outbox(self, before: datetime, limit: int) -> tuple[tuple[str, OutboxEvent], ...]:
        """The events, with their mail_id, still owed by up to `limit` mails since an instant or longer."""
        found = await enough(limit, lambda most: self._mails.due("owed_ms", before, most), _owed)
        return tuple(chain.from_iterable(found))

    async def owed_by(self, mail_ids: Iterable[str]) -> tuple[tuple[str, OutboxEvent], ...]:
        """The events, with their mail_id, that these mails still owe."""
        found = await self._mails.find({"_id": {"$in": list(mail_ids)}}, only=("outbox",))
        return tuple(chain.from_iterable(legible(found, _owed)))

    async def decided_since(self, kind: Kind, instant: datetime) -> AsyncIterator[LedgerEntry]:
        """Every mail whose decision is of that kind and was taken at or after an instant, in no order."""
        query = {"decision.kind": kind.value, "decision.decided_at": {"$gte": instant}}
        async for one in self._mails.stream(query, without=("outbox", "trace")):
            for entry in legible([one], bare):
                yield entry

    async def quarantined_since(self, instant: datetime) -> AsyncIterator[LedgerEntry]:
        """Every mail that is in quarantine, since an instant or later, in no order."""
        query = {"state": State.QUARANTINED.value, "failure.at": {"$gte": instant}}
        async for one in self._mails.stream(query, without=("outbox", "trace")):
            for entry in legible([one], bare):
                yield entry

    async def recent(self, mailbox: str | None, limit: int) -> tuple[LedgerEntry, ...]:
        """The newest mails, of one mailbox or of all."""
        driver = "mailbox" if mailbox else "all"
        return await self._newest({f"seek.{driver}": seek.within(mailbox or "")}, driver, limit)

    async def arrived(
        self, mailboxes: Sequence[str] | None, limit: int, since: datetime | None = None
    ) -> tuple[Arrived, ...]:
        """The newest mails of these mailboxes (None: of all), entered at or after an instant; the newest first."""
        query = _of(mailboxes) | ({} if since is None else {"stored_at": {"$gte": since}})
        found = await self._mails.find(query, only=_ARRIVED, sort=_NEWEST_FIRST, limit=limit)
        return tuple(legible(found, _arrived))

    async def subjects(self, mailboxes: Sequence[str] | None, limit: int) -> tuple[Subject, ...]:
        """The subjects of the newest mails of these mailboxes (None: of all), the newest first."""
        found = await self._mails.find(_of(mailboxes), only=("origin", "headline"), sort=_NEWEST_FIRST, limit=limit)
        return tuple(legible(found, _subject))

    async def ended(self, wanted: Ended, limit: int) -> tuple[LedgerEntry, ...]:
        """Up to `limit` of these mails, in the order in which they were entered."""
        found = await self._mails.find(_ended(wanted), sort=_OLDEST_FIRST, limit=limit, without=("outbox",))
        return tuple(legible(found, entry_of))

    async def oldest_in_flight(self) -> LedgerEntry | None:
        """The mail that has been in flight for longest."""
        query, order = {"seek.outcome": seek.within(IN_FLIGHT)}, (("seek.outcome", 1),)
        found = await enough(
            1, lambda most: self._mails.find(query, sort=order, limit=most, without=("outbox",)), entry_of
        )
        return next(iter(found), None)

    async def newest_as(self, outcome: str, limit: int) -> tuple[LedgerEntry, ...]:
        """The mails that came last to one of OUTCOMES, the newest first."""
        return await self._newest({"seek.outcome": seek.within(outcome)}, "outcome", limit)

    async def causes(self, mailbox: str | None = None) -> Mapping[tuple[str, str], Cause]:
        """What the mails in quarantine (of one mailbox) are there for, by stage and code."""
        found: dict[tuple[str, str], Cause] = {}
        query = {"seek.outcome": seek.within(QUARANTINED)} | ({"origin.mailbox": mailbox} if mailbox else {})
        async for one in self._mails.stream(query, only=("failure", "stored_at")):
            for key in legible([one], _cause):
                cause = found.get(key, Cause(0, one["stored_at"], one["stored_at"]))
                found[key] = cause.joined(one["stored_at"], one["_id"])
        return found

    async def latencies(self, span: Span, limit: int) -> tuple[float, ...]:
        """Seconds from delivery to decision of the newest mails that arrived in a span and opened a ticket."""
        query = {"seek.outcome": seek.within(Kind.TICKET.value, span)}
        order = seek.newest_first("seek.outcome")
        found = await self._mails.find(query, only=("origin", "decision"), sort=order, limit=limit)
        return tuple(legible(found, _latency))

    async def count_by_outcome(self, span: Span | None = None) -> dict[str, dict[str, int]]:
        """How many mails of each mailbox (that arrived in a span) came to which end, by OUTCOMES.

        Two round trips for each COUNTED_AT_ONCE of them, so that no answer holds the store up. Without a span those
        count, too, that have no keys yet (shared/store/upgrade.py).
        """
        rows: Counts = {}
        if span is None:
            add(rows, await self._count(seek.WITHOUT_KEYS))
        left = span or Span()
        while True:
            part = await self.count_next(left)
            add(rows, part.rows)
            if part.until == left.until:
                return {mailbox: dict(counts) for mailbox, counts in rows.items()}
            left = Span(part.until, left.until)

    async def count_next(self, span: Span, at_once: int = COUNTED_AT_ONCE) -> Counted:
        """The same, of the first `at_once` mails or so that arrived in a span, and the rest of a millisecond."""
        order = (("seek.all", 1),)
        beyond = await self._mails.find(
            {"seek.all": seek.within("", span)}, only=("stored_at",), sort=order, skip=at_once, limit=1
        )
        until = span.until
        if beyond:
            until = beyond[0]["stored_at"]
            if span.since is not None:
                until = max(until, span.since + timedelta(milliseconds=1))
        return Counted(until, await self._count({"seek.all": seek.within("", Span(span.since, until))}))

    async def _count(self, query: Filter) -> Counts:
        sums = await self._mails.sums("origin.mailbox", {outcome: f"tally.{outcome}" for outcome in OUTCOMES}, query)
        return {mailbox: Counter({one: n for one, n in counts.items() if n}) for mailbox, counts in sums.items()}

    async def _newest(self, query: Document, driver: str, limit: int) -> tuple[LedgerEntry, ...]:
        found = await self._mails.find(
            query, sort=seek.newest_first(f"seek.{driver}"), limit=limit, without=("outbox",)
        )
        return tuple(legible(found, entry_of))


def add(rows: Counts, more: Mapping[str, Mapping[str, int]]) -> None:
    """Add to the counts of each mailbox."""
    for mailbox, counts in more.items():
        rows.setdefault(mailbox, Counter()).update(counts)


def _of(mailboxes: Sequence[str] | None) -> Document:
    return {} if mailboxes is None else {"origin.mailbox": {"$in": list(mailboxes)}}


def _arrived(document: Document) -> Arrived:
    decision: Mapping[str, Any] = document["decision"] or {}
    kind = Kind(decision["kind"]) if decision else None
    at, uid = document["stored_at"], int(document["origin"]["uid"])
    return Arrived(document["_id"], at, uid, kind, decision.get("decided_at"))


def _ended(wanted: Ended) -> Document:
    rejected = {"state": State.DONE.value, "decision.kind": Kind.REJECTED.value, "decision.reason": wanted.reason}
    quarantined = {"state": State.QUARANTINED.value, "failure.code": wanted.reason}
    instants = {"$gte": wanted.since, "$lt": wanted.until}
    between = {operator: instant for operator, instant in instants.items() if instant is not None}
    query = {**(quarantined if wanted.quarantined else rejected), "origin.mailbox": wanted.mailbox}
    return {key: value for key, value in query.items() if value is not None} | (
        {"stored_at": between} if between else {}
    )


def bare(document: Document) -> LedgerEntry:
    """The entry in a document that was read without its trace."""
    return entry_of(document | {"trace": []})


def _cause(document: Document) -> tuple[str, str]:
    failure: dict[str, Any] = document["failure"] or {"stage": "", "code": ""}
    return str(failure["stage"]), str(failure["code"])


def _subject(document: Document) -> Subject:
    headline = document["headline"]
    return Subject(document["_id"], document["origin"]["mailbox"], headline["sender"], headline["subject"])


def _latency(document: Document) -> float:
    span = document["decision"]["decided_at"] - document["origin"]["internal_date"]
    return max(0.0, span.total_seconds())


def _owed(document: Document) -> tuple[tuple[str, OutboxEvent], ...]:
    return tuple((document["_id"], read(OutboxEvent, event)) for event in document["outbox"])
