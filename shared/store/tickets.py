"""Tickets and requests (collection `tickets`), each with the events it owes, in one document.

`changed_ms` is the ticket's `changed_at`: it only grows, and a date cannot (see shared/store/collection.py).
"""

from collections.abc import AsyncIterator, Iterable, Sequence
from collections.abc import Collection as Items
from datetime import UTC, datetime
from typing import Any, NamedTuple

from shared.domain.mailbox import Module
from shared.domain.outbound import Outbound
from shared.domain.ticket import OutboxEvent, Ticket, TicketState
from shared.store.collection import Change, Collection, Database, Document, among, changed, milliseconds, older
from shared.store.failures import Conflict

_OF_ORIGIN = ("origin_mail_id", "number", "mailbox", "duplicates")
_NOT_OF_TICKET = frozenset({"_id", "owed_ms", "changed_ms", "acknowledged"})
_TEXTS = ("articles", "outbox", "answerable")
_CLOSED = TicketState.CLOSED.value


class TicketOrigin(NamedTuple):
    """What the audit needs to know of a ticket."""

    ticket_id: str
    origin_mail_id: str
    number: str
    mailbox: str
    duplicates: tuple[str, ...]


class Reopening(NamedTuple):
    """A mail that opens a ticket again, and which of its closings (the first is 1) it undoes."""

    ticket_id: str
    mail_id: str
    closing: int
    at: datetime


class Tickets:
    """The tickets."""

    def __init__(self, database: Database) -> None:
        self._collection = Collection(database, "tickets")

    async def insert_many(self, tickets: Sequence[Ticket]) -> None:
        """Keep tickets with their outboxes. One that is there under its id already is success.

        Raises Conflict if the number or the mail belongs to another ticket.
        """
        refused = await self._collection.insert_many([_document(one) for one in tickets])
        if refused:
            ids = {tickets[position].ticket_id for position in refused}
            missing = ids - await self._existing(ids)
            if missing:
                what = "a ticket's number or mail belongs to another ticket"
                raise Conflict(what, where=", ".join(sorted(missing)), code="ticket_conflict")

    async def get(self, ticket_id: str) -> Ticket | None:
        """The ticket of that id."""
        document = await self._collection.get(ticket_id)
        return _ticket(document) if document else None

    async def get_many(self, ticket_ids: Iterable[str]) -> dict[str, Ticket]:
        """Those of the tickets that exist, by id."""
        found = await self._collection.find({"_id": {"$in": list(ticket_ids)}})
        return {document["_id"]: _ticket(document) for document in found}

    async def heads(self, ticket_ids: Items[str], numbers: Items[str] = ()) -> tuple[Ticket, ...]:
        """Those of the tickets that exist, by id or number, without their texts: `articles` and `outbox` are empty.

        Numbers cost a second round trip, unless a ticket that was asked for by id has them.
        """
        found: list[Document] = []
        if ticket_ids:
            found += await self._collection.find({"_id": {"$in": list(ticket_ids)}}, without=_TEXTS)
        others = sorted(set(numbers) - {one["number"] for one in found})
        if others:
            found += await self._collection.find({"number": among(others)}, without=_TEXTS)
        return tuple(_ticket({"articles": (), **one}) for one in found)

    async def by_number(self, number: str) -> Ticket | None:
        """The ticket of that number (`INC-000042`)."""
        found = await self._collection.find({"number": number}, limit=1)
        return _ticket(found[0]) if found else None

    async def count_duplicates(self, pairs: Sequence[tuple[str, str]]) -> frozenset[str]:
        """Count mails (ticket_id, mail_id) on the tickets they repeat, each once.

        Returns the mail_ids whose ticket does not exist.
        """
        counted = await self._collection.update_each(
            ({"_id": ticket_id}, changed({}, addToSet={"duplicates": mail_id})) for ticket_id, mail_id in pairs
        )
        if counted == len(pairs):
            return frozenset()
        existing = await self._existing({ticket_id for ticket_id, _ in pairs})
        return frozenset(mail_id for ticket_id, mail_id in pairs if ticket_id not in existing)

    async def show_acknowledgements(self, mails: Sequence[Outbound]) -> None:
        """Show on tickets how far their acknowledgements are; what is shown is never replaced by what was before it."""
        await self._collection.update_each(
            (
                {"_id": one.ticket_id, "acknowledged": {"$lt": one.moves}},
                changed({"acknowledgement": one.status.model_dump(), "acknowledged": one.moves}),
            )
            for one in mails
        )

    async def unanswered(self, before: datetime, limit: int) -> tuple[str, ...]:
        """The ids of up to `limit` tickets, created before an instant, of whose acknowledgement nothing is shown."""
        query = {"acknowledged": 0, "created_at": {"$lt": before}}
        return tuple(one["_id"] for one in await self._collection.find(query, only=("number",), limit=limit))

    async def touch(self, changes: Sequence[tuple[str, datetime]]) -> None:
        """Say when tickets (ticket_id, instant) changed; an earlier instant than is known changes nothing."""
        await self._collection.update_each(({"_id": key}, _touched(at)) for key, at in changes)

    async def reopen_by_mails(self, reopenings: Sequence[Reopening]) -> None:
        """Open tickets again because of mails. Each closing is undone once: by one mail, or by hand."""
        await self._collection.update_each(
            (
                {"_id": one.ticket_id, "state": _CLOSED, "closings": one.closing},
                changed(
                    {"state": TicketState.OPEN.value},
                    push={"reopened_by": one.mail_id},
                    max={"changed_ms": milliseconds(one.at)},
                ),
            )
            for one in reopenings
        )

    async def close(self, ticket_id: str, at: datetime) -> bool:
        """Close an open ticket; False if it is not open, or not there."""
        update = changed({"state": _CLOSED}, inc={"closings": 1}, max={"changed_ms": milliseconds(at)})
        return await self._collection.update({"_id": ticket_id, "state": {"$ne": _CLOSED}}, update)

    async def reopen(self, ticket_id: str, at: datetime) -> bool:
        """Open a closed ticket; False if it is not closed, or not there."""
        update = changed({"state": TicketState.OPEN.value}, max={"changed_ms": milliseconds(at)})
        return await self._collection.update({"_id": ticket_id, "state": _CLOSED}, update)

    async def mark_published(self, ticket_ids: Iterable[str]) -> None:
        """Say that the events of tickets have been published."""
        query = {"_id": {"$in": list(ticket_ids)}}
        await self._collection.update_all(query, changed({"owed_ms": None, "outbox": []}))

    async def pending_outbox(self, before: datetime, limit: int) -> tuple[tuple[str, OutboxEvent], ...]:
        """The events, with their ticket_id, still owed by up to `limit` tickets that were created before an instant."""
        query = {"owed_ms": {"$lte": milliseconds(before)}}
        found = await self._collection.find(query, only=("outbox",), sort=(("owed_ms", 1),), limit=limit)
        return tuple((one["_id"], OutboxEvent.model_validate(event)) for one in found for event in one["outbox"])

    async def iter_origins(self) -> AsyncIterator[TicketOrigin]:
        """Every ticket, in no order, as far as the audit needs it."""
        async for one in self._collection.stream({}, only=_OF_ORIGIN):
            yield _origin(one)

    async def origins(self, ticket_ids: Iterable[str]) -> dict[str, TicketOrigin]:
        """Those of the tickets that exist, by id, as far as the audit needs them."""
        found = await self._collection.find({"_id": {"$in": list(ticket_ids)}}, only=_OF_ORIGIN)
        return {one["_id"]: _origin(one) for one in found}

    async def since(self, instant: datetime) -> AsyncIterator[Ticket]:
        """Every ticket that was opened at or after an instant, in no order, a hundred per round trip."""
        async for one in self._collection.stream({"created_at": {"$gte": instant}}, batch=100):
            yield _ticket(one)

    async def count(self) -> int:
        """How many there are."""
        return await self._collection.size()

    async def _existing(self, ids: Items[str]) -> frozenset[str]:
        found = await self._collection.find({"_id": {"$in": list(ids)}}, only=("number",))
        return frozenset(one["_id"] for one in found)

    async def list(
        self,
        *,
        mailbox: str | None = None,
        module: Module | None = None,
        after: tuple[datetime, str] | None = None,
        limit: int = 50,
    ) -> tuple[Ticket, ...]:
        """Tickets, the newest first; `after` is the created_at and ticket_id of the last one already seen."""
        wanted = {"mailbox": mailbox, "module": module.value if module else None}
        query: dict[str, Any] = {key: value for key, value in wanted.items() if value is not None}
        if after is not None:
            query |= older("created_at", after)
        found = await self._collection.find(query, sort=(("created_at", -1), ("_id", -1)), limit=limit)
        return tuple(map(_ticket, found))


def _touched(at: datetime) -> Change:
    return changed({}, max={"changed_ms": milliseconds(at)})


def _document(ticket: Ticket) -> Document:
    content = ticket.model_dump(exclude={"ticket_id", "changed_at"})
    times = {
        "owed_ms": milliseconds(ticket.created_at) if ticket.outbox else None,
        "changed_ms": milliseconds(ticket.changed_at) if ticket.changed_at else 0,
    }
    return {"_id": ticket.ticket_id, **content, **times, "acknowledged": 0}


def _origin(document: Document) -> TicketOrigin:
    return TicketOrigin(
        document["_id"],
        document["origin_mail_id"],
        document["number"],
        document["mailbox"],
        tuple(document["duplicates"]),
    )


def _ticket(document: Document) -> Ticket:
    fields = {key: value for key, value in document.items() if key not in _NOT_OF_TICKET}
    changed_ms = document.get("changed_ms")
    changed_at = datetime.fromtimestamp(changed_ms / 1000, UTC) if changed_ms else None
    return Ticket.model_validate({"ticket_id": document["_id"], "changed_at": changed_at, **fields})
