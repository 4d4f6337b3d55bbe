"""Tickets and requests (collection `tickets`), each with the events it owes, in one document.

`changed_ms` is the ticket's `changed_at`: it only grows, and a date cannot (see shared/store/collection.py).
"""

from collections.abc import AsyncIterator, Iterable, Sequence
from collections.abc import Collection as Items
from datetime import UTC, datetime
from typing import NamedTuple

from shared.domain.mailbox import Module
from shared.domain.outbound import Outbound
from shared.domain.ticket import OutboxEvent, Ticket, TicketState
from shared.store import seek
from shared.store.collection import Change, Collection, Database, Document, among, changed, milliseconds, read
from shared.store.failures import Conflict
from shared.store.seek import Seen, Span

_OF_ORIGIN = ("origin_mail_id", "number", "mailbox", "duplicates")
_NOT_OF_TICKET = frozenset({"_id", "owed_ms", "changed_ms", "erased_ms", "acknowledged", "seek"})
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
        return ticket_of(document) if document else None

    async def get_many(self, ticket_ids: Iterable[str]) -> dict[str, Ticket]:
        """Those of the tickets that exist, by id."""
        found = await self._collection.find({"_id": {"$in": list(ticket_ids)}})
        return {document["_id"]: ticket_of(document) for document in found}

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
        return tuple(ticket_of({"articles": (), **one}) for one in found)

    async def by_number(self, number: str) -> Ticket | None:
        """The ticket of that number (`INC-000042`)."""
        found = await self._collection.find({"number": number}, limit=1)
        return ticket_of(found[0]) if found else None

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
                changed(
                    {
                        "acknowledgement": one.status.model_dump(),
                        "acknowledged": one.moves,
                        "seek.acknowledgement": seek.key(one.status.state.value, one.status.at, one.ticket_id),
                    }
                ),
            )
            for one in mails
        )

    async def unanswered(self, before: datetime, limit: int) -> tuple[str, ...]:
        """The ids of up to `limit` tickets, created before an instant, of whose acknowledgement nothing is shown.

        The store is not asked by the instant (a date, see shared/store/collection.py): of a ticket that is not old
        enough it tells, too, and there are few of them.
        """
        found: list[str] = []
        async for one in self._collection.stream({"acknowledged": 0}, only=("created_at",)):
            if one["created_at"] < before:
                found.append(one["_id"])
            if len(found) == limit:
                break
        return tuple(found)

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
        found = await self._collection.due("owed_ms", before, limit, only=("outbox",))
        return tuple((one["_id"], read(OutboxEvent, event)) for one in found for event in one["outbox"])

    async def iter_origins(self) -> AsyncIterator[TicketOrigin]:
        """Every ticket, in no order, as far as the audit needs it."""
        async for one in self._collection.stream({}, only=_OF_ORIGIN):
            yield _origin(one)

    async def origins(self, ticket_ids: Iterable[str]) -> dict[str, TicketOrigin]:
        """Those of the tickets that exist, by id, as far as the audit needs them."""
        found = await self._collection.find({"_id": {"$in": list(ticket_ids)}}, only=_OF_ORIGIN)
        return {one["_id"]: _origin(one) for one in found}

    async def since(self, instant: datetime) -> AsyncIterator[Ticket]:
        """Every ticket that was opened at or after an instant, in that order, a hundred per round trip."""
        keys = seek.within("", Span(instant))
        async for one in self._collection.walk("seek.all", keys["$gte"], keys["$lt"], batch=100):
            yield ticket_of(one)

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
        after: Seen | None = None,
        limit: int = 50,
    ) -> tuple[Ticket, ...]:
        """Tickets, the newest first; `after` is the created_at and ticket_id of the last one already seen."""
        driver = "mailbox" if mailbox else "all"
        query: Document = {f"seek.{driver}": seek.within(mailbox or "", after=after)}
        if module is not None:
            query["module"] = module.value
        found = await self._collection.find(query, sort=seek.newest_first(f"seek.{driver}"), limit=limit)
        return tuple(map(ticket_of, found))


def _touched(at: datetime) -> Change:
    return changed({}, max={"changed_ms": milliseconds(at)})


def _document(ticket: Ticket) -> Document:
    content = ticket.model_dump(exclude={"ticket_id", "changed_at", "erased_at"})
    times = {
        "owed_ms": milliseconds(ticket.created_at) if ticket.outbox else None,
        "changed_ms": milliseconds(ticket.changed_at) if ticket.changed_at else 0,
    }
    return {"_id": ticket.ticket_id, **content, **times, "acknowledged": 0, "seek": keys(ticket)}


def keys(ticket: Ticket) -> dict[str, str | None]:
    """The keys by which a ticket is found, by when it was opened; `acknowledgement`: by when it came to its state."""
    answer, place = ticket.acknowledgement, ticket.classification
    values = {
        "all": "",
        "mailbox": ticket.mailbox,
        "requester": ticket.requester.address if ticket.requester else None,
        "service": place.service,
        "department": place.department,
    }
    found = {
        name: None if value is None else seek.key(value, ticket.created_at, ticket.ticket_id)
        for name, value in values.items()
    }
    shown = seek.key(answer.state.value, answer.at, ticket.ticket_id) if answer else None
    return {**found, "acknowledgement": shown}


def _origin(document: Document) -> TicketOrigin:
    return TicketOrigin(
        document["_id"],
        document["origin_mail_id"],
        document["number"],
        document["mailbox"],
        tuple(document["duplicates"]),
    )


def ticket_of(document: Document) -> Ticket:
    """The ticket in a document."""
    fields = {key: value for key, value in document.items() if key not in _NOT_OF_TICKET}
    times = {name: _instant(document.get(f"{name}_ms")) for name in ("changed", "erased")}
    return read(Ticket, {"ticket_id": document["_id"], **{f"{name}_at": at for name, at in times.items()}, **fields})


def _instant(at: int | None) -> datetime | None:
    return datetime.fromtimestamp(at / 1000, UTC) if at else None
