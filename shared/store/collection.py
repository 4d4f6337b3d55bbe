"""One collection, spoken to only in ways that every MongoDB-compatible server answers alike.

Seen in practice on the embedded server (nx-27017 0.8): a date that is `$set` as a leaf comes back as a string and is no
longer comparable, so dates are written only inside a whole sub-document (`changed` refuses others); `$addToSet` on a
missing array does nothing; `$push` of an object turns every object of the array into text (`$addToSet` does not);
counting by `{field: None}` gives 0; `$or` over None loses rows; a projection of a dotted name comes back flat; only
indexes of one field are used, and only by conditions that are plain values: not dates, not `$in` (but for `_id`); a
condition of None beside others may be the one that is searched by, and reads all that have None there; a field that is
to be one of no values reads everything; an order by `_id` or by a date reads everything, one by an indexed text or
number only what is asked for; an index on a field that holds arrays finds nothing by an element. So what is searched
often has a field of its own for it, with text or whole numbers (see shared/store/seek.py).
"""

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from functools import reduce
from itertools import accumulate, chain, pairwise
from types import MappingProxyType
from typing import Any, Protocol, TypeVar, cast

from motor.motor_asyncio import AsyncIOMotorClient, AsyncIOMotorCollection, AsyncIOMotorDatabase
from pydantic import BaseModel
from pymongo import IndexModel, ReturnDocument, UpdateOne
from pymongo.errors import BulkWriteError, DuplicateKeyError
from pymongo.results import BulkWriteResult

from shared.store.failures import speaking
from shared.store.together import Together

Document = dict[str, Any]
Filter = Mapping[str, Any]
Change = dict[str, dict[str, Any]]
_ANY: Filter = MappingProxyType({})
Sort = Sequence[tuple[str, int]]
Client = AsyncIOMotorClient[Document]
Database = AsyncIOMotorDatabase[Document]
M = TypeVar("M", bound=BaseModel)

_DUPLICATE = 11000
UNTOLD = "?"
"""What stands for a name that a document should tell and does not."""
AHEAD = timedelta(days=2)
"""Nothing is put off for so long. What says so was written by a clock that was ahead."""


class BulkWrite(Protocol):
    """The driver's bulk write, as far as it is used here."""

    async def __call__(self, requests: Sequence[UpdateOne], *, ordered: bool) -> BulkWriteResult:
        """Write in one round trip."""
        ...


def changed(fields: Mapping[str, Any], **operators: Mapping[str, Any]) -> Change:
    """The update that sets `fields`, with further operators by name (`inc={"attempts": 1}`).

    Raises ValueError for a date as a leaf: it belongs into a sub-document.
    """
    if any(isinstance(value, datetime) for value in fields.values()):
        raise ValueError("a date is set inside a sub-document only")
    update: Change = {"$set": dict(fields)} if fields else {}
    return update | {f"${name}": dict(values) for name, values in operators.items()}


def read(model: type[M], document: Document) -> M:
    """A value as the store holds it. Fields that the model lacks are ignored: a newer version wrote them, which runs
    beside this one while the system is upgraded."""
    return model.model_validate(document, extra="ignore")


class Collection:
    """A collection behind the door. Every method is one round trip unless it says otherwise."""

    def __init__(self, database: Database, name: str) -> None:
        self.name = name
        self._driver: AsyncIOMotorCollection[Document] = database[name]
        self._bulk_write = cast(BulkWrite, self._driver.bulk_write)  # pyright: ignore[reportUnknownMemberType]  # stub gap
        self._insert = Together(self._insert_all)

    async def get(self, key: str) -> Document | None:
        """The document of that `_id`."""
        with speaking(self.name):
            return await self._driver.find_one({"_id": key})

    async def find(
        self,
        query: Filter,
        *,
        only: Sequence[str] = (),
        sort: Sort = (),
        skip: int = 0,
        limit: int = 0,
        without: Sequence[str] = (),
    ) -> list[Document]:
        """All documents that match, with `only` those top-level fields (and `_id`), or `without` those.

        No round trip for a field that is to be one of nothing: the embedded server would read everything.
        """
        if _hopeless(query):
            return []
        fields = dict.fromkeys(only, 1) or dict.fromkeys(without, 0) or None
        with speaking(self.name):
            cursor = self._driver.find(
                query, fields, skip=skip, limit=limit, sort=list(sort) or None, batch_size=limit or 1000
            )
            return await cursor.to_list(None)

    async def due(
        self, field: str, instant: datetime, limit: int, *, only: Sequence[str] = (), also: Filter = _ANY
    ) -> list[Document]:
        """Up to `limit` documents whose `field`, in milliseconds, lies at or before an instant, the longest due first.

        Then those for which it lies AHEAD of it: a clock that is set right again must not leave them waiting until the
        day that it was at. Two round trips, the second only if there is room.
        """
        at = milliseconds(instant)
        found = await self.find({**also, field: {"$lte": at}}, only=only, sort=((field, 1),), limit=limit)
        if room := limit - len(found):
            ahead = {**also, field: {"$gt": at + AHEAD // timedelta(milliseconds=1)}}
            found += await self.find(ahead, only=only, sort=((field, 1),), limit=room)
        return found

    async def stream(
        self, query: Filter, *, only: Sequence[str] = (), without: Sequence[str] = (), batch: int = 1000
    ) -> AsyncIterator[Document]:
        """Every document that matches, a thousand (or `batch`) per round trip; fields as in `find`."""
        if not query:
            async for document in self.walk("_id", "", only=only, without=without, batch=batch):
                yield document
            return
        fields = dict.fromkeys(only, 1) or dict.fromkeys(without, 0) or None
        cursor = self._driver.find(query, fields, batch_size=batch)
        while True:
            with speaking(self.name):
                found = await cursor.to_list(batch)
            if not found:
                return
            for document in found:
                yield document

    async def walk(
        self,
        field: str,
        above: str,
        below: str | None = None,
        *,
        only: Sequence[str] = (),
        without: Sequence[str] = (),
        batch: int = 1000,
    ) -> AsyncIterator[Document]:
        """Every document whose `field`, a text with an index of its own that no two share, lies between: in its order,
        a thousand (or `batch`) per round trip. The embedded server reads the whole answer to any question before it
        gives the first of it, and answers nobody meanwhile: of many documents this is what to ask.
        """
        ends = {} if below is None else {"$lt": below}
        if only and field != "_id":
            only = (*only, field.partition(".")[0])
        while True:
            query = {field: {"$gt": above, **ends}}
            found = await self.find(query, only=only, without=without, sort=((field, 1),), limit=batch)
            for document in found:
                yield document
            if len(found) < batch:
                return
            above = str(reduce(lambda part, name: part[name], field.split("."), found[-1]))

    async def insert(self, document: Document) -> bool:
        """Insert one; False if a unique key is taken."""
        with speaking(self.name):
            try:
                await self._driver.insert_one(document)
            except DuplicateKeyError:
                return False
        return True

    async def insert_many(self, documents: Sequence[Document]) -> frozenset[int]:
        """Insert what is not there yet; returns the positions of those refused by a unique key.

        Calls that come while one is under way share a round trip.
        """
        return await self._insert(documents) if documents else frozenset()

    async def _insert_all(self, calls: Sequence[Sequence[Document]]) -> Sequence[frozenset[int]]:
        refused = frozenset[int]()
        with speaking(self.name):
            try:
                await self._driver.insert_many([*chain.from_iterable(calls)], ordered=False)
            except BulkWriteError as error:
                refused = _refused(error)
        ends = [*accumulate(map(len, calls), initial=0)]
        return [frozenset(at - begin for at in range(begin, end) if at in refused) for begin, end in pairwise(ends)]

    async def update(self, query: Filter, update: Change) -> bool:
        """Update the one that matches; False if none does."""
        with speaking(self.name):
            return (await self._driver.update_one(query, update)).matched_count == 1

    async def update_all(self, query: Filter, update: Change) -> int:
        """Update all that match; returns how many did. No round trip for a field that is to be one of nothing."""
        if _hopeless(query):
            return 0
        with speaking(self.name):
            return (await self._driver.update_many(query, update)).matched_count

    async def update_each(self, updates: Iterable[tuple[Filter, Change]]) -> int:
        """Several updates of one document each, in no order; returns how many matched."""
        requests = [UpdateOne(query, update) for query, update in updates]
        if not requests:
            return 0
        with speaking(self.name):
            return (await self._bulk_write(requests, ordered=False)).matched_count

    async def change(self, query: Filter, update: Change) -> Document | None:
        """Update the one that matches and return it as it then is; None if none does."""
        with speaking(self.name):
            return await self._driver.find_one_and_update(query, update, return_document=ReturnDocument.AFTER)

    async def delete(self, query: Filter) -> int:
        """Delete all that match; returns how many. No round trip for a field that is to be one of nothing."""
        if _hopeless(query):
            return 0
        with speaking(self.name):
            return (await self._driver.delete_many(query)).deleted_count

    async def sums(self, by: str, fields: Mapping[str, str], query: Filter | None = None) -> dict[str, dict[str, int]]:
        """The sums of `fields` (name to path) over the documents (that match) and share a value of `by`, by it."""
        totals = {name: {"$sum": f"${path}"} for name, path in fields.items()}
        with speaking(self.name):
            matching: list[Document] = [{"$match": query}] if query else []
            found = await self._driver.aggregate([*matching, {"$group": {"_id": f"${by}", **totals}}]).to_list(None)
        return {str(one["_id"] or UNTOLD): {name: int(one[name] or 0) for name in fields} for one in found}

    async def size(self) -> int:
        """About how many documents there are."""
        with speaking(self.name):
            return await self._driver.estimated_document_count()

    async def ensure(self, indexes: Sequence[IndexModel]) -> None:
        """Make indexes that are not there yet."""
        with speaking(self.name):
            await self._driver.create_indexes(indexes)

    async def indexes(self) -> frozenset[tuple[tuple[str, ...], bool]]:
        """The indexes there are: fields, and whether unique. Names and directions are not told alike everywhere."""
        with speaking(self.name):
            found: Mapping[str, Any] = await self._driver.index_information()
        return frozenset(
            (tuple(str(field) for field, _ in one["key"]), bool(one.get("unique"))) for one in found.values()
        )


def milliseconds(instant: datetime) -> int:
    """An instant as whole milliseconds since 1970, for fields that are searched by time."""
    return int(instant.timestamp() * 1000)


def among(values: Sequence[str]) -> str | Document:
    """The condition for one of several texts. For a single one it is that text, which every server's index knows."""
    return values[0] if len(values) == 1 else {"$in": list(values)}


def _hopeless(query: Filter) -> bool:
    """Whether a field is asked to be one of no values."""
    return any(isinstance(one, Mapping) and cast("Filter", one).get("$in") == [] for one in query.values())


def _refused(error: BulkWriteError) -> frozenset[int]:
    failures: list[Document] = error.details.get("writeErrors", [])
    if error.details.get("writeConcernErrors") or any(one.get("code") != _DUPLICATE for one in failures):
        raise error
    return frozenset(int(one["index"]) for one in failures)
