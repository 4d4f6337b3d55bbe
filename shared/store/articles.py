"""The mails of conversations after the first (collection `articles`): one document each, with the event it owes.

`_id` is the mail's id, so a mail is appended once, to one ticket, whoever inserts it how often. `at_ms` and `owed_ms`
are what is searched by time.
"""

from collections.abc import AsyncIterator, Iterable, Sequence
from datetime import datetime
from typing import NamedTuple

from shared.domain.ticket import Appended, OutboxEvent
from shared.store.collection import Collection, Database, Document, among, changed, milliseconds, read

_NOT_OF_ARTICLE = frozenset({"_id", "at_ms", "owed_ms"})


class ArticlePlace(NamedTuple):
    """What the audit needs to know of an article."""

    mail_id: str
    ticket_id: str


class Articles:
    """The articles."""

    def __init__(self, database: Database) -> None:
        self._collection = Collection(database, "articles")

    async def insert_many(self, appended: Sequence[Appended]) -> None:
        """Keep articles with their outboxes. One that is there already is success, and stays as it is."""
        await self._collection.insert_many([_document(one) for one in appended])

    async def get(self, mail_id: str) -> Appended | None:
        """The article that a mail became."""
        document = await self._collection.get(mail_id)
        return _appended(document) if document else None

    async def of_ticket(self, ticket_id: str) -> tuple[Appended, ...]:
        """The articles of a ticket, in the order in which they arrived at their mail server."""
        found = map(_appended, await self._collection.find({"ticket_id": ticket_id}))
        return tuple(sorted(found, key=lambda one: (one.article.received_at, one.at, one.article.mail_id)))

    async def count_of(self, ticket_ids: Sequence[str]) -> dict[str, int]:
        """How many articles tickets have; those without any are left out."""
        if not ticket_ids:
            return {}
        counts: dict[str, int] = {}
        for one in await self._collection.find({"ticket_id": among(ticket_ids)}, only=("ticket_id",)):
            counts[one["ticket_id"]] = counts.get(one["ticket_id"], 0) + 1
        return counts

    async def since(self, instant: datetime) -> AsyncIterator[Appended]:
        """Every article that was decided at an instant or later, in no order."""
        async for one in self._collection.stream({"at_ms": {"$gte": milliseconds(instant)}}):
            yield _appended(one)

    async def newest(self, limit: int) -> tuple[Appended, ...]:
        """The articles that were decided last, the newest first."""
        query, order = {"at_ms": {"$gte": 0}}, (("at_ms", -1),)
        return tuple(map(_appended, await self._collection.find(query, sort=order, limit=limit)))

    async def iter_places(self) -> AsyncIterator[ArticlePlace]:
        """Every article, in no order, as far as the audit needs it."""
        async for one in self._collection.stream({}, only=("ticket_id",)):
            yield ArticlePlace(one["_id"], one["ticket_id"])

    async def places(self, mail_ids: Sequence[str]) -> dict[str, str]:
        """The tickets that mails were appended to, by mail_id; a mail that was not is left out."""
        if not mail_ids:
            return {}
        found = await self._collection.find({"_id": {"$in": list(mail_ids)}}, only=("ticket_id",))
        return {one["_id"]: one["ticket_id"] for one in found}

    async def mark_published(self, mail_ids: Iterable[str]) -> None:
        """Say that the events of articles have been published."""
        query = {"_id": {"$in": list(mail_ids)}}
        await self._collection.update_all(query, changed({"owed_ms": None, "outbox": []}))

    async def pending_outbox(self, before: datetime, limit: int) -> tuple[tuple[str, OutboxEvent], ...]:
        """The events, with their mail_id, still owed by up to `limit` articles that were decided before an instant."""
        found = await self._collection.due("owed_ms", before, limit, only=("outbox",))
        return tuple((one["_id"], read(OutboxEvent, event)) for one in found for event in one["outbox"])


def _document(appended: Appended) -> Document:
    at = milliseconds(appended.at)
    owed = at if appended.outbox else None
    return {"_id": appended.article.mail_id, **appended.model_dump(), "at_ms": at, "owed_ms": owed}


def _appended(document: Document) -> Appended:
    return read(Appended, {key: value for key, value in document.items() if key not in _NOT_OF_ARTICLE})
