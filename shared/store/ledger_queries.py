"""What the ledger can be asked. Reads only."""

import re
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from shared.domain.decision import Kind
from shared.domain.ledger import KnownMail, LedgerEntry, State
from shared.domain.patterns import normalise_address
from shared.domain.ticket import OutboxEvent
from shared.store.collection import Collection, Document, among, milliseconds, older, read
from shared.store.ledger_documents import OUTCOMES, entry_of, known_of

_NEWEST_FIRST = (("stored_at", -1), ("_id", -1))
_REFERABLE = ("headline", "origin", "state", "decision", "stored_at")
_MANY, _FEW = 2_000, 20
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
    """Mails that are in quarantine for one reason: how many, and when the first and the last of them were entered."""

    mails: int
    first: datetime
    last: datetime

    def joined(self, at: datetime) -> "Cause":
        """With one more."""
        return Cause(self.mails + 1, min(self.first, at), max(self.last, at))


class LedgerQueries:
    """The reading half of the ledger."""

    def __init__(self, mails: Collection, tickets: Collection) -> None:
        self._mails = mails
        self._tickets = tickets

    async def get(self, mail_id: str) -> LedgerEntry | None:
        """The entry of a mail."""
        document = await self._mails.get(mail_id)
        return entry_of(document) if document else None

    async def get_many(self, mail_ids: Iterable[str]) -> dict[str, LedgerEntry]:
        """Those of the mails that are in the books."""
        found = await self._mails.find({"_id": {"$in": list(mail_ids)}}, without=("outbox",))
        return {document["_id"]: entry_of(document) for document in found}

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
            return tuple(sorted(map(known_of, found), key=lambda one: (one.stored_at, one.mail_id), reverse=True))
        half = len(message_ids) // 2
        return await self.of_message_ids(message_ids[:half]) + await self.of_message_ids(message_ids[half:])

    async def due(self, now: datetime, stalled_before: datetime, limit: int) -> tuple[LedgerEntry, ...]:
        """Up to `limit` mails in flight whose next attempt has come, or, with none set, that made no progress since."""
        found = await self._before("retry_ms", now, limit)
        if len(found) < limit:
            found += await self._before("stall_ms", stalled_before, limit - len(found))
        return tuple(map(entry_of, found))

    async def pending_outbox(self, before: datetime, limit: int) -> tuple[tuple[str, OutboxEvent], ...]:
        """The events, with their mail_id, still owed by up to `limit` mails since an instant or longer."""
        found = await self._before("owed_ms", before, limit)
        return tuple((one["_id"], read(OutboxEvent, event)) for one in found for event in one["outbox"])

    async def owed_by(self, mail_ids: Iterable[str]) -> tuple[tuple[str, OutboxEvent], ...]:
        """The events, with their mail_id, that these mails still owe."""
        found = await self._mails.find({"_id": {"$in": list(mail_ids)}}, only=("outbox",))
        return tuple((one["_id"], read(OutboxEvent, event)) for one in found for event in one["outbox"])

    async def decided_since(self, kind: Kind, instant: datetime) -> AsyncIterator[LedgerEntry]:
        """Every mail whose decision is of that kind and was taken at or after an instant, in no order."""
        query = {"decision.kind": kind.value, "decision.decided_at": {"$gte": instant}}
        async for one in self._mails.stream(query, without=("outbox", "trace")):
            yield entry_of(one | {"trace": []})

    async def quarantined_since(self, instant: datetime) -> AsyncIterator[LedgerEntry]:
        """Every mail that is in quarantine, since an instant or later, in no order."""
        query = {"state": State.QUARANTINED.value, "failure.at": {"$gte": instant}}
        async for one in self._mails.stream(query, without=("outbox", "trace")):
            yield entry_of(one | {"trace": []})

    async def search(
        self,
        *,
        message_id: str | None = None,
        sender: str | None = None,
        ticket_id: str | None = None,
        number: str | None = None,
        mail_id: str | None = None,
        subject: str | None = None,
        mailbox: str | None = None,
        after: tuple[datetime, str] | None = None,
        limit: int = 20,
    ) -> tuple[LedgerEntry, ...]:
        """Mails that match all that is given, the newest first. `subject` is a part of it, in any case.

        `after` is the stored_at and mail_id of the last one already seen.
        """
        wanted: dict[str, Any] = {
            "_id": mail_id,
            "origin.mailbox": mailbox,
            "headline.message_id": message_id,
            "headline.sender": (normalise_address(sender) or sender) if sender is not None else None,
            "decision.ticket_id": ticket_id,
            "headline.subject": {"$regex": re.escape(subject), "$options": "i"} if subject is not None else None,
        }
        if number is not None:
            wanted |= await self._of_number(number)
        query = {key: value for key, value in wanted.items() if value is not None}
        return await self._newest(query | (older("stored_at", after) if after else {}), limit)

    async def recent(self, mailbox: str | None, limit: int) -> tuple[LedgerEntry, ...]:
        """The newest mails, of one mailbox or of all."""
        return await self._newest({"origin.mailbox": mailbox} if mailbox else {}, limit)

    async def ended(self, wanted: Ended, limit: int) -> tuple[LedgerEntry, ...]:
        """Up to `limit` of these mails, in the order in which they were entered."""
        found = await self._mails.find(_ended(wanted), sort=_OLDEST_FIRST, limit=limit, without=("outbox",))
        return tuple(map(entry_of, found))

    async def newest_ended(
        self, wanted: Ended, limit: int, after: tuple[datetime, str] | None = None
    ) -> tuple[LedgerEntry, ...]:
        """The same, the newest first, `after` the stored_at and mail_id of the last one already seen."""
        return await self._newest(_ended(wanted) | (older("stored_at", after) if after else {}), limit)

    async def causes(self, mailbox: str | None = None) -> Mapping[tuple[str, str], Cause]:
        """What the mails in quarantine (of one mailbox) are there for, by stage and code."""
        found: dict[tuple[str, str], Cause] = {}
        async for one in self._mails.stream(_ended(Ended(mailbox=mailbox)), only=("failure", "stored_at")):
            failure: dict[str, Any] = one["failure"] or {"stage": "", "code": ""}
            key = (str(failure["stage"]), str(failure["code"]))
            found[key] = found.get(key, Cause(0, one["stored_at"], one["stored_at"])).joined(one["stored_at"])
        return found

    async def count_by_outcome(self) -> dict[str, dict[str, int]]:
        """How many mails of each mailbox came to which end: a decision's kind, `quarantined` or `in_flight`."""
        sums = await self._mails.sums("origin.mailbox", {outcome: f"tally.{outcome}" for outcome in OUTCOMES})
        return {mailbox: {outcome: n for outcome, n in counts.items() if n} for mailbox, counts in sums.items()}

    async def _before(self, field: str, instant: datetime, limit: int) -> list[Document]:
        return await self._mails.find({field: {"$lte": milliseconds(instant)}}, sort=((field, 1),), limit=limit)

    async def _of_number(self, number: str) -> dict[str, Any]:
        """A number by the ticket it names, which has an index; or by decisions, if that ticket is not there (yet)."""
        found = await self._tickets.find({"number": number}, only=("number",), limit=1)
        return {"decision.ticket_id": found[0]["_id"]} if found else {"decision.number": number}

    async def _newest(self, query: Document, limit: int) -> tuple[LedgerEntry, ...]:
        found = await self._mails.find(query, sort=_NEWEST_FIRST, limit=limit, without=("outbox",))
        return tuple(map(entry_of, found))


def _ended(wanted: Ended) -> Document:
    rejected = {"state": State.DONE.value, "decision.kind": Kind.REJECTED.value, "decision.reason": wanted.reason}
    quarantined = {"state": State.QUARANTINED.value, "failure.code": wanted.reason}
    instants = {"$gte": wanted.since, "$lt": wanted.until}
    between = {operator: instant for operator, instant in instants.items() if instant is not None}
    query = {**(quarantined if wanted.quarantined else rejected), "origin.mailbox": wanted.mailbox}
    return {key: value for key, value in query.items() if value is not None} | (
        {"stored_at": between} if between else {}
    )
