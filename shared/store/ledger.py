"""The ledger (collection `mails`): one entry per mail. Every move is a compare-and-set on the state it leaves.

`clock` holds the two instants that change, always written together (see shared/store/collection.py); `retry_ms`,
`stall_ms` and `owed_ms` are what the bookkeeper searches by.
"""

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple, cast

from shared.domain.decision import Decision, Kind, Step
from shared.domain.ledger import Alone, DecisionWrite, Failure, LedgerEntry, Replaced, Replay, State
from shared.domain.ticket import OutboxEvent
from shared.observability.crash_points import crash_point
from shared.store.collection import UNTOLD, Change, Collection, Database, Document, changed, milliseconds
from shared.store.ledger_documents import (
    IN_FLIGHT,
    QUARANTINED,
    decision_of,
    document_of,
    ended,
    moving,
    outbox_fields,
    resting,
    to_millisecond,
)
from shared.store.ledger_queries import LedgerQueries, bare
from shared.store.legible import legible
from shared.store.ports import Clock
from shared.store.words import MailWords

_NOTHING_OWED: dict[str, Any] = {"outbox": [], "owed_ms": None}
_STANDING = ("origin", "state", "decision", "owed_ms")
_BESIDE_ROW = ("outbox", "trace", "history")
_UNFINISHED = [State.STORED.value, State.DECIDED.value]
_IN_FLIGHT = {"$in": _UNFINISHED}


class LedgerRow(NamedTuple):
    """What the audit needs to know of a mail. Without a state it is none: somebody edited it to what none can be."""

    mail_id: str
    mailbox: str
    state: State | None = None
    kind: Kind | None = None
    ticket_id: str | None = None


class Ledger(LedgerQueries):
    """The books."""

    def __init__(self, database: Database, clock: Clock) -> None:
        super().__init__(Collection(database, "mails"))
        self._words = MailWords(database)
        self._clock = clock

    async def insert_many(self, entries: Sequence[LedgerEntry], *, words_kept: bool = False) -> frozenset[str]:
        """Enter mails; returns the mail_ids that were not there yet. The others stay as they are. Two round trips, one
        if `keep_words` was called for them."""
        if not words_kept:
            await self.keep_words(entries)
        refused = await self._mails.insert_many([document_of(one) for one in entries])
        return frozenset(one.mail_id for position, one in enumerate(entries) if position not in refused)

    async def insert_decided(self, entry: LedgerEntry, outbox: tuple[OutboxEvent, ...]) -> bool:
        """Enter a mail together with its decision and the events it owes; False, and nothing changed, if it is there.

        It has no further stage to go through: only its events are waited for.
        """
        if entry.decision is None:
            raise ValueError("an entry without a decision goes through `insert_many`")
        now = self._clock.now()
        await self.keep_words([entry])
        return await self._mails.insert(document_of(entry) | outbox_fields(outbox, now) | resting(now))

    async def keep_words(self, entries: Sequence[LedgerEntry]) -> None:
        """Keep the words that mails will be found by, before they are entered."""
        await self._words.insert_many((one.mail_id, one.stored_at, one.headline.subject) for one in entries)

    async def note(self, mail_id: str, step: Step) -> None:
        """Add a line to the trace of a mail whose decision stands. A line of the same rule is there once only."""
        entry = await self.get(mail_id)
        if entry is None or any(one.rule == step.rule for one in entry.trace):
            return
        trace = [one.model_dump() for one in (*entry.trace, step)]
        await self._mails.update({"_id": mail_id, "state": entry.state.value}, changed({"trace": trace}))

    async def decide_many(self, writes: Sequence[DecisionWrite]) -> dict[str, Decision]:
        """Write decisions, each only if there is none yet; returns the decision that stands, by mail_id.

        That is another one than asked for if somebody was faster: execute that one. A mail that is unknown, in
        quarantine, of another mailbox, or waits for a later version of its decision, has none and is not in the result.
        """
        now = self._clock.now()
        matched = await self._mails.update_each((_undecided(one), _decided(one, now)) for one in writes)
        if matched == len(writes):
            return {one.mail_id: to_millisecond(one.decision) for one in writes}
        crash_point("store.after_decisions")
        return await self._standing({one.mail_id: one.mailbox for one in writes})

    async def mark_done(self, mail_ids: Iterable[str], version: int | None = None) -> None:
        """Say that the effects of decided mails exist, and that the events of all these mails are published.

        With a `version`, only of decisions of that one: what a later one owes is still to be published.
        """
        ids = list(mail_ids)
        of_version = {} if version is None else {"version": _version(version)}
        query = {"_id": {"$in": ids}, "state": State.DECIDED.value, **of_version}
        fields = {"state": State.DONE.value, **_NOTHING_OWED, **resting(self._clock.now())}
        if await self._mails.update_all(query, changed(fields)) < len(ids):
            crash_point("store.after_done")
            await self._mails.update_all({"_id": {"$in": ids}, **of_version}, changed(_NOTHING_OWED))

    async def mark_published(self, mail_ids: Sequence[str]) -> None:
        """Say that the events of mails have been published, whatever their state."""
        await self._mails.update_all({"_id": {"$in": list(mail_ids)}}, changed(_NOTHING_OWED))

    async def defer(self, mail_id: str, failure: Failure, next_attempt_at: datetime) -> int:
        """Note a failure of a mail in flight and when to try again; returns its attempts, 0 if it is not in flight."""
        fields = {"failure": failure.model_dump(), **moving(self._clock.now(), next_attempt_at)}
        query = {"_id": mail_id, "state": _IN_FLIGHT}
        document = await self._mails.change(query, changed(fields, inc={"attempts": 1}))
        return int(document["attempts"]) if document else 0

    async def quarantine(self, mail_id: str, failure: Failure, event: OutboxEvent | None = None) -> bool:
        """Take a mail in flight out of it, owing `event` besides; False if it was not in flight."""
        now = self._clock.now()
        fields: dict[str, Any] = {"state": State.QUARANTINED.value, "failure": failure.model_dump()}
        fields |= resting(now) | ended(mail_id, QUARANTINED, failure.code, now)
        query = {"_id": mail_id, "state": _IN_FLIGHT}
        if event is None:
            return await self._mails.update(query, changed(fields))
        owing = changed(fields | {"owed_ms": milliseconds(now)}, addToSet={"outbox": event.model_dump()})
        return await self._mails.update(query, owing)

    async def replay(self, mail_id: str, order: Replay | None = None) -> bool:
        """Put a quarantined mail back in flight, due at once; False if it was not quarantined.

        A decision it already had stands: its effects are what is repeated.
        """
        query = {"_id": mail_id, "state": State.QUARANTINED.value}
        return await self._mails.update(query, changed(self._again(mail_id, order)))

    async def reopen(self, entry: LedgerEntry, order: Replay) -> bool:
        """Put a rejected mail back in flight for the next version of its decision, due at once; the one it had goes
        into its history. False if it is not (any more) finally rejected at the version of `entry`, or its raw mail is
        gone."""
        decision = entry.decision
        if entry.state is not State.DONE or decision is None or decision.kind is not Kind.REJECTED:
            return False
        history = (*entry.history, Replaced(decision=decision, trace=entry.trace, replay=order))
        fields = {
            **self._again(entry.mail_id, order),
            "decision": None,
            "trace": [],
            "version": entry.version + 1,
            "history": [one.model_dump() for one in history],
        }
        query = {"_id": entry.mail_id, "state": State.DONE.value, "version": _version(entry.version), "gone.raw": None}
        return await self._mails.update(query, changed(fields))

    def _again(self, mail_id: str, order: Replay | None) -> dict[str, Any]:
        now = self._clock.now()
        return {
            "state": State.STORED.value,
            "attempts": 0,
            "failure": None,
            "alone": None,
            "replay": order.model_dump() if order else None,
            **moving(now, now),
            **ended(mail_id, IN_FLIGHT, None, now),
        }

    async def discard(self, write: DecisionWrite) -> bool:
        """Give a quarantined mail without a decision its rejection; False if it is not one (any more).

        What it owes already, as the event of its quarantine, it goes on owing.
        """
        query = {"_id": write.mail_id, "state": State.QUARANTINED.value, "decision": None}
        now = self._clock.now()
        owing = {"outbox": {"$each": [event.model_dump() for event in write.outbox]}}
        fields = _decision_fields(write, now) | {"owed_ms": milliseconds(now)}
        return await self._mails.update(query, changed(fields, addToSet=owing))

    async def tried_alone(self, mail_id: str, alone: Alone) -> None:
        """Note, before it begins, that a stage works on this mail alone."""
        await self._mails.update({"_id": mail_id, "state": _IN_FLIGHT}, changed({"alone": alone.model_dump()}))

    async def claim(self, entry: LedgerEntry, now: datetime) -> bool:
        """Take a due mail for re-publishing; False if somebody else did, or it moved on."""
        later = now if now != entry.progress_at else now + timedelta(milliseconds=1)
        query = {"_id": entry.mail_id, "state": entry.state.value, "clock.progress_at": entry.progress_at}
        return await self._mails.update(query, changed(moving(later)))

    async def iter_all(self, mailbox: str | None = None) -> AsyncIterator[LedgerRow]:
        """Every mail, in no order, as far as the audit needs it."""
        query = {"origin.mailbox": mailbox} if mailbox else {}
        async for one in self._mails.stream(query, without=_BESIDE_ROW):
            yield _row(one)

    async def rows_after(self, mail_id: str, limit: int) -> tuple[LedgerRow, ...]:
        """Up to `limit` mails, in the order of their ids, behind that one; from the start: empty."""
        query = {"_id": {"$gt": mail_id}}
        found = await self._mails.find(query, without=_BESIDE_ROW, sort=(("_id", 1),), limit=limit)
        return tuple(map(_row, found))

    async def rows_of(self, mail_ids: Iterable[str]) -> tuple[LedgerRow, ...]:
        """These mails."""
        found = await self._mails.find({"_id": {"$in": list(mail_ids)}}, without=_BESIDE_ROW)
        return tuple(map(_row, found))

    async def existing(self, mail_ids: Iterable[str]) -> frozenset[str]:
        """Those of the mails that are in the books."""
        found = await self._mails.find({"_id": {"$in": list(mail_ids)}}, only=("state",))
        return frozenset(one["_id"] for one in found)

    async def on_the_way(self, mail_ids: Iterable[str]) -> frozenset[str]:
        """Those of the mails that lie in a queue or with a stage: neither done, nor in quarantine, nor put off.

        The store is asked for their ids alone: with `retry_ms` in the question it may go by that index, which holds
        every mail that is not put off.
        """
        found = await self._mails.find({"_id": {"$in": list(mail_ids)}}, only=("state", "retry_ms"))
        return frozenset(one["_id"] for one in found if one.get("state") in _UNFINISHED and one.get("retry_ms") is None)

    async def _standing(self, mailboxes: Mapping[str, str | None]) -> dict[str, Decision]:
        found = await self._mails.find({"_id": {"$in": list(mailboxes)}}, only=_STANDING)
        ours = [one for one in found if mailboxes[one["_id"]] in (None, one["origin"]["mailbox"])]
        decided = [one for one in ours if one["decision"] and one["state"] != State.QUARANTINED]
        await self._redecide([one for one in decided if one["state"] == State.STORED])
        return {one["_id"]: decision_of(one["decision"]) for one in decided}

    async def _redecide(self, replayed: Sequence[Document]) -> None:
        """Mails that were quarantined after their decision and replayed: the decision stands again.

        A rejection that owes no event has no effects to wait for: it is final at once.
        """
        now = self._clock.now()
        await self._mails.update_each(
            (
                {"_id": one["_id"], "state": State.STORED.value},
                changed({"state": _state_again(one).value, **moving(now), **_ended(one["_id"], one["decision"], now)}),
            )
            for one in replayed
        )
        if replayed:
            crash_point("store.after_replayed_decisions")


def _row(document: Document) -> LedgerRow:
    """All of it is read: an entry is illegal by any of its fields."""
    for one in legible([document], bare):
        kind, ticket_id = (one.decision.kind, one.decision.ticket_id) if one.decision else (None, None)
        return LedgerRow(one.mail_id, one.origin.mailbox, one.state, kind, ticket_id)
    return LedgerRow(str(document["_id"]), _mailbox_told(document))


def _mailbox_told(document: Document) -> str:
    """The mailbox that an illegal entry names, if it does."""
    origin: object = document.get("origin")
    told = cast("dict[str, object]", origin).get("mailbox") if isinstance(origin, dict) else None
    return told if isinstance(told, str) else UNTOLD


def _state_again(document: Document) -> State:
    rejected = document["decision"]["kind"] == Kind.REJECTED
    return State.DONE if rejected and document.get("owed_ms") is None else State.DECIDED


def _undecided(write: DecisionWrite) -> Document:
    version = _version(write.decision.version)
    query = {"_id": write.mail_id, "state": State.STORED.value, "decision": None, "version": version}
    return query if write.mailbox is None else query | {"origin.mailbox": write.mailbox}


def _version(version: int) -> int | Document:
    """What a search asks for: an entry from before there were versions has none, and is at its first."""
    return {"$in": [1, None]} if version == 1 else version


def _decided(write: DecisionWrite, now: datetime) -> Change:
    owed = outbox_fields(write.outbox, now) if write.outbox else {}
    return changed(_decision_fields(write, now) | owed)


def _decision_fields(write: DecisionWrite, now: datetime) -> dict[str, Any]:
    return {
        "state": State.DECIDED.value,
        "decision": write.decision.model_dump(),
        "trace": [step.model_dump() for step in write.trace],
        **moving(now),
        **ended(write.mail_id, write.decision.kind.value, write.decision.reason.value, now),
    }


def _ended(mail_id: str, decision: Document, at: datetime) -> dict[str, Any]:
    return ended(mail_id, decision["kind"], decision["reason"], at)
