"""The store's driver in memory, as far as leases and wishes use it: the repositories over it are the real ones.

For simulations, where thousands of mailboxes live through hours. Values go through BSON, as they do on the wire.
tests/contract/store/test_runtime.py holds it to what the real store does.
"""

from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC
from operator import ge, gt, le, lt
from types import MappingProxyType
from typing import Any, Protocol, TypeVar, cast

import bson
from bson.codec_options import CodecOptions
from pymongo import UpdateOne
from pymongo.errors import BulkWriteError, DuplicateKeyError
from pymongo.results import BulkWriteResult, DeleteResult, InsertOneResult, UpdateResult

Document = dict[str, Any]
T = TypeVar("T")

INDEXED = ("reading_open", "old_mail_open")
"""Fields that are looked up by a plain value."""
_OPTIONS: CodecOptions[Document] = CodecOptions(tz_aware=True, tzinfo=UTC)
_COMPARED = {"$gte": ge, "$gt": gt, "$lte": le, "$lt": lt}
_NO_CHANGE: Mapping[str, Any] = MappingProxyType({})


class Way(Protocol):
    """The way of a command to the server and back. `work` returns the answer and how many documents it read or met."""

    async def __call__(self, work: Callable[[], tuple[T, int]]) -> T: ...


Written = Callable[[str, Document | None, Document], None]


def _unheard(_collection: str, _before: Document | None, _after: Document) -> None:
    """Nobody listens."""


class MemoryServer:
    """The collections. `written` is told of each document that was changed: collection, before (None: new), after."""

    def __init__(self, written: Written = _unheard) -> None:
        self.documents: dict[str, dict[str, Document]] = defaultdict(dict)
        self._found: dict[tuple[str, str, Any], set[str]] = defaultdict(set)
        self._written = written

    def matching(self, collection: str, query: Mapping[str, Any]) -> Iterator[Document]:
        """What matches; a query by key or by an indexed field looks at nothing else."""
        there = self.documents[collection]
        for key in self._keys(collection, query):
            if (document := there.get(key)) is not None and _matches(document, query):
                yield document

    def write(self, collection: str, document: Document) -> None:
        """Put a document in place of the one with its key."""
        key, before = document["_id"], self.documents[collection].get(document["_id"])
        for field in INDEXED:
            if before is not None and field in before:
                self._found[collection, field, before[field]].discard(key)
            if field in document:
                self._found[collection, field, document[field]].add(key)
        self.documents[collection][key] = document
        self._written(collection, before, document)

    def insert(self, collection: str, document: Mapping[str, Any]) -> bool:
        """False if the key is taken."""
        if document["_id"] in self.documents[collection]:
            return False
        self.write(collection, _stored(document))
        return True

    def update(self, collection: str, query: Mapping[str, Any], change: Mapping[str, Mapping[str, Any]]) -> int:
        """Set fields of the first that matches; how many did, 0 or 1."""
        for document in self.matching(collection, query):
            assert set(change) <= {"$set"}, "nothing else is used by leases"
            self.write(collection, _changed(document, _stored(change.get("$set", _NO_CHANGE))))
            return 1
        return 0

    def delete(self, collection: str, query: Mapping[str, Any]) -> int:
        """How many were."""
        gone = [one["_id"] for one in self.matching(collection, query)]
        for key in gone:
            del self.documents[collection][key]
        return len(gone)

    def _keys(self, collection: str, query: Mapping[str, Any]) -> Sequence[str]:
        match query.get("_id"):
            case str(key):
                return (key,)
            case {"$in": keys}:
                return tuple(keys)
            case _:
                plain = [field for field in INDEXED if isinstance(query.get(field), int)]
                found = self._found[collection, plain[0], query[plain[0]]] if plain else self.documents[collection]
                return tuple(found)


class MemoryDatabase:
    """What motor's database is to `Collection`."""

    def __init__(self, server: MemoryServer, way: Way) -> None:
        self._server = server
        self._way = way

    def __getitem__(self, name: str) -> "MemoryCollection":
        return MemoryCollection(self._server, self._way, name)


class MemoryCollection:
    """What motor's collection is to `Collection`."""

    def __init__(self, server: MemoryServer, way: Way, name: str) -> None:
        self._server = server
        self._way = way
        self._name = name

    async def find_one(self, query: Mapping[str, Any]) -> Document | None:
        def work() -> tuple[Document | None, int]:
            return next(self._server.matching(self._name, query), None), 1

        return await self._way(work)

    def find(
        self,
        query: Mapping[str, Any],
        fields: Mapping[str, int] | None = None,
        *,
        skip: int,
        limit: int,
        sort: Any,
        batch_size: int,
    ) -> "_Found":
        assert not sort and not limit and not skip, "not used by leases"

        def work() -> tuple[list[Document], int]:
            found = [_projected(one, fields) for one in self._server.matching(self._name, query)]
            return found, len(found)

        return _Found(lambda: self._way(work))

    async def insert_one(self, document: Mapping[str, Any]) -> InsertOneResult:
        if not await self._way(lambda: (self._server.insert(self._name, document), 1)):
            raise DuplicateKeyError("taken", 11000)
        return InsertOneResult(document["_id"], True)

    async def insert_many(self, documents: Sequence[Mapping[str, Any]], *, ordered: bool) -> None:
        assert not ordered, "not used by leases"

        def work() -> tuple[list[int], int]:
            refused = [at for at, one in enumerate(documents) if not self._server.insert(self._name, one)]
            return refused, len(documents)

        if refused := await self._way(work):
            raise BulkWriteError({"writeErrors": [{"index": at, "code": 11000} for at in refused]})

    async def update_one(self, query: Mapping[str, Any], change: Mapping[str, Mapping[str, Any]]) -> UpdateResult:
        matched = await self._way(lambda: (self._server.update(self._name, query, change), 1))
        return UpdateResult({"n": matched, "nModified": matched}, True)

    async def bulk_write(self, requests: Iterable[UpdateOne], *, ordered: bool) -> BulkWriteResult:
        assert not ordered, "not used by leases"
        asked: list[tuple[Any, Any]] = [(one._filter, one._doc) for one in requests]  # pyright: ignore[reportPrivateUsage, reportUnknownMemberType]  # no other way to see them

        def work() -> tuple[int, int]:
            return sum(self._server.update(self._name, query, change) for query, change in asked), len(asked)

        return BulkWriteResult({"nMatched": await self._way(work)}, True)

    async def delete_many(self, query: Mapping[str, Any]) -> DeleteResult:
        gone = await self._way(lambda: (self._server.delete(self._name, query), 1))
        return DeleteResult({"n": gone}, True)


class _Found:
    """What motor's cursor is to `Collection`."""

    def __init__(self, ask: Callable[[], Awaitable[list[Document]]]) -> None:
        self._ask = ask

    async def to_list(self, _length: int | None) -> list[Document]:
        return await self._ask()


def _stored(value: Mapping[str, Any]) -> Document:
    """As it comes back from the wire: milliseconds, no objects of the writer's."""
    return bson.decode(bson.encode(value), _OPTIONS)  # pyright: ignore[reportUnknownMemberType]  # stub gap


def _changed(document: Document, fields: Mapping[str, Any]) -> Document:
    """A copy with these fields, by path; what is not touched is shared."""
    found = dict(document)
    for path, value in fields.items():
        *parents, last = path.split(".")
        at = found
        for name in parents:
            at[name] = dict(at.get(name) or {})
            at = at[name]
        at[last] = value
    return found


def _projected(document: Document, fields: Mapping[str, int] | None) -> Document:
    if fields is None:
        return document
    return {name: document[name] for name in ("_id", *fields) if name in document}


def _matches(document: Mapping[str, Any], query: Mapping[str, Any]) -> bool:
    return all(_meets(_at(document, path), wanted) for path, wanted in query.items())


def _at(document: Mapping[str, Any], path: str) -> Any:
    name, _, rest = path.partition(".")
    found: Any = document.get(name)
    if not rest:
        return found
    return _at(cast(Mapping[str, Any], found), rest) if isinstance(found, Mapping) else None


def _meets(value: Any, wanted: Any) -> bool:
    match wanted:
        case {"$in": several}:
            return value in several
        case {**conditions} if conditions and all(name in _COMPARED for name in conditions):
            return value is not None and all(_COMPARED[name](value, limit) for name, limit in conditions.items())
        case _:
            return value == wanted
