"""What is counted beforehand (collection `statistics`): the books as last counted, and each hour's mails.

Each document is the whole of its count and replaces the one before: counting again changes nothing.
"""

from datetime import datetime, timedelta
from typing import Any

from shared.domain.statistics import Books, Hour
from shared.store.collection import Collection, Database, changed

_BOOKS = "books"


class Statistics:
    """The counts."""

    def __init__(self, database: Database) -> None:
        self._collection = Collection(database, "statistics")

    async def save_books(self, books: Books) -> None:
        """Keep the books."""
        await self._save(_BOOKS, {"books": books.model_dump()})

    async def books(self) -> Books | None:
        """The books as last counted; None before the first time."""
        document = await self._collection.get(_BOOKS)
        return Books.model_validate(document["books"]) if document else None

    async def save_hour(self, hour: Hour) -> None:
        """Keep an hour."""
        number = _number(hour.start)
        await self._save(f"hour/{number}", {"hour_number": number, "hour": hour.model_dump()})

    async def hours(self, since: datetime) -> tuple[Hour, ...]:
        """The hours that begin then or later, in their order."""
        query = {"hour_number": {"$gte": _number(since)}}
        found = await self._collection.find(query, sort=(("hour_number", 1),))
        return tuple(Hour.model_validate(one["hour"]) for one in found)

    async def _save(self, key: str, fields: dict[str, Any]) -> None:
        while not await self._collection.update({"_id": key}, changed(fields)):
            if await self._collection.insert({"_id": key, **fields}):
                return


def _number(instant: datetime) -> int:
    return int(instant.timestamp()) // int(timedelta(hours=1).total_seconds())
