"""Acknowledgements on their way out (collection `outbound`), one per ticket, under the ticket's id.

Every move is a compare-and-set on the state and the turn it was read with; claims end by the clock of the server.
`look_ms` says when somebody must look again: a pending one is due, a claim has run out. `show_ms` is set by every move
and cleared when the ticket shows it.
"""

from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta

from shared.domain.outbound import Claim, Outbound
from shared.domain.ticket import Acknowledgement, AcknowledgementState
from shared.store.collection import Collection, Database, Document, Filter, changed, milliseconds, read

PENDING, CLAIMED, DATA_STARTED = (
    AcknowledgementState.PENDING,
    AcknowledgementState.CLAIMED,
    AcknowledgementState.DATA_STARTED,
)


_LATER = ("mail_id", "traceparent")
"""Fields that a document from before them lacks."""


class OutboundMails:
    """The acknowledgements."""

    def __init__(self, database: Database, server_time: Callable[[], Awaitable[datetime]]) -> None:
        self._collection = Collection(database, "outbound")
        self._server_time = server_time

    async def insert_many(self, mails: Sequence[Outbound]) -> tuple[Outbound, ...]:
        """Keep them; returns those that were not there yet. What is there stays as it is."""
        refused = await self._collection.insert_many([_document(one) for one in mails])
        return tuple(one for at, one in enumerate(mails) if at not in refused)

    async def get(self, ticket_id: str) -> Outbound | None:
        """The acknowledgement of a ticket."""
        document = await self._collection.get(ticket_id)
        return _outbound(document) if document else None

    async def due(self, limit: int, without: Sequence[str] = ()) -> tuple[Outbound, ...]:
        """Up to `limit` that may be sent now, the longest due first, of no mailbox in `without`."""
        query: Document = {"status.state": PENDING.value}
        if without:
            query["mailbox"] = {"$nin": sorted(without)}
        return await self._due(query, limit)

    async def claim(self, mail: Outbound, worker: str, ttl: timedelta) -> Outbound | None:
        """Take one that is pending; None if somebody was faster."""
        now = await self._server_time()
        taken = mail.model_copy(
            update={
                "status": Acknowledgement(state=CLAIMED, at=now),
                "claim": Claim(worker=worker, until=now + ttl),
                "turn": mail.turn + 1,
                "moves": mail.moves + 1,
            }
        )
        return taken if await self._write(mail, taken, look=now + ttl) else None

    async def renew(self, mail: Outbound, ttl: timedelta) -> bool:
        """Hold a claim longer; False if it was lost."""
        if mail.claim is None:
            return False
        until = await self._server_time() + ttl
        claim = mail.claim.model_copy(update={"until": until})
        query = {"_id": mail.ticket_id, "turn": mail.turn, "status.state": {"$in": [CLAIMED.value, DATA_STARTED.value]}}
        fields = {"claim": claim.model_dump(), "look_ms": milliseconds(until)}
        return await self._collection.update(query, changed(fields))

    async def count(self, mail: Outbound) -> Outbound | None:
        """Note that the budgets have been asked; None if the claim was lost."""
        counted = mail.model_copy(update={"counted": True})
        done = await self._collection.update(_as_read(mail), changed({"counted": True}))
        return counted if done else None

    async def move(
        self, mail: Outbound, status: Acknowledgement, *, due_at: datetime | None = None, attempts: int | None = None
    ) -> Outbound | None:
        """Move on one that is held. `due_at` belongs to `pending`; the claim ends, unless `data_started` begins.

        None, and nothing changed, if the claim was lost. What was called unknown meanwhile may still be settled by the
        one who sent it.
        """
        goes_on = status.state is DATA_STARTED
        look = mail.claim.until if goes_on and mail.claim else due_at
        for before in filter(None, (mail, _unknown(mail))):
            moved = before.model_copy(
                update={
                    "status": status,
                    "moves": before.moves + 1,
                    "attempts": mail.attempts if attempts is None else attempts,
                    "claim": mail.claim if goes_on else None,
                }
            )
            if await self._write(before, moved, look=look):
                return moved
        return None

    async def expired(self, limit: int) -> tuple[Outbound, ...]:
        """Up to `limit` whose claim has run out: their worker was killed, or cannot reach the store."""
        return await self._due({"status.state": {"$in": [CLAIMED.value, DATA_STARTED.value]}}, limit)

    async def take_back(self, mail: Outbound, status: Acknowledgement) -> Outbound | None:
        """End a claim that has run out; None if it was renewed or moved meanwhile."""
        if mail.claim is None:
            return None
        moved = mail.model_copy(update={"status": status, "claim": None, "moves": mail.moves + 1})
        query = {**_as_read(mail), "look_ms": milliseconds(mail.claim.until)}
        pending = status.state is PENDING
        fields = _changes(moved, _at_once(moved, await self._server_time()) if pending else None)
        return moved if await self._collection.update(query, changed(fields)) else None

    async def retry(self, mail: Outbound, status: Acknowledgement) -> Outbound | None:
        """Send one again that has ended; None if it is not as it was read."""
        now = await self._server_time()
        fresh = {"status": status, "attempts": 0, "since": now, "claim": None, "moves": mail.moves + 1}
        again = mail.model_copy(update=fresh)
        return again if await self._write(mail, again, look=_at_once(mail, now)) else None

    async def to_show(self, limit: int) -> tuple[Outbound, ...]:
        """Up to `limit` whose last move their tickets may not show yet."""
        found = await self._collection.find({"show_ms": {"$gte": 0}}, sort=(("show_ms", 1),), limit=limit)
        return tuple(map(_outbound, found))

    async def shown(self, mails: Sequence[Outbound]) -> None:
        """Their tickets show them. One that moved on meanwhile stays to be shown."""
        await self._collection.update_each(
            ({"_id": one.ticket_id, "moves": one.moves}, changed({"show_ms": None})) for one in mails
        )

    async def newest(
        self, state: AcknowledgementState | None = None, mailbox: str | None = None, limit: int = 50
    ) -> tuple[Outbound, ...]:
        """The newest, of one state or of all."""
        wanted = {"status.state": state.value if state else None, "mailbox": mailbox}
        query = {key: value for key, value in wanted.items() if value is not None}
        found = await self._collection.find(query, sort=(("since_ms", -1), ("_id", -1)), limit=limit)
        return tuple(map(_outbound, found))

    async def count_by_state(self) -> dict[str, int]:
        """How many are in each state."""
        sums = await self._collection.sums("status.state", {"count": "tally"})
        return {state: found["count"] for state, found in sums.items()}

    async def oldest_pending(self) -> datetime | None:
        """Since when the oldest waits that is not sent yet."""
        query = {"status.state": PENDING.value}
        found = await self._collection.find(query, only=("since_ms",), sort=(("since_ms", 1),), limit=1)
        return _instant(found[0]["since_ms"]) if found else None

    async def _due(self, query: Filter, limit: int) -> tuple[Outbound, ...]:
        now = await self._server_time()
        return tuple(map(_outbound, await self._collection.due("look_ms", now, limit, also=query)))

    async def _write(self, read: Outbound, moved: Outbound, look: datetime | None) -> bool:
        return await self._collection.update(_as_read(read), changed(_changes(moved, look)))


def _as_read(mail: Outbound) -> Filter:
    return {"_id": mail.ticket_id, "turn": mail.turn, "status.state": mail.state.value}


def _unknown(mail: Outbound) -> Outbound | None:
    """As somebody left it who thought that its worker was dead; its turn is the same while nobody sent it again."""
    if mail.state is not DATA_STARTED:
        return None
    unknown = mail.status.model_copy(update={"state": AcknowledgementState.UNKNOWN})
    return mail.model_copy(update={"status": unknown, "moves": mail.moves + 1})


def _changes(mail: Outbound, look: datetime | None) -> Document:
    return {
        "status": mail.status.model_dump(),
        "claim": mail.claim.model_dump() if mail.claim else None,
        "turn": mail.turn,
        "moves": mail.moves,
        "attempts": mail.attempts,
        "since_ms": milliseconds(mail.since),
        "look_ms": None if look is None else milliseconds(look),
        "show_ms": milliseconds(mail.status.at),
    }


def _document(mail: Outbound) -> Document:
    fixed = mail.model_dump(include={"number", "mailbox", "counted", "taken_at", *_LATER})
    look = _at_once(mail, mail.since) if mail.state is PENDING else None
    return {"_id": mail.ticket_id, "tally": 1, **fixed, **_changes(mail, look)}


def _at_once(mail: Outbound, now: datetime) -> datetime:
    """Due from now on; by the earlier of two clocks, so that one that is ahead does not keep it waiting until then."""
    return min(mail.taken_at, now)


def _outbound(document: Document) -> Outbound:
    names = ("number", "mailbox", "status", "claim", "turn", "moves", "attempts", "counted", "taken_at")
    fields = {name: document[name] for name in names} | {key: document[key] for key in _LATER if key in document}
    return read(Outbound, {"ticket_id": document["_id"], "since": _instant(document["since_ms"]), **fields})


def _instant(number: int) -> datetime:
    return datetime.fromtimestamp(number / 1000, UTC)
