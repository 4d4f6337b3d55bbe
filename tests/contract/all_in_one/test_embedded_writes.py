"""The shorter ways to write to the embedded store do what nx-27017 does, to the documents and in the answers."""

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import Any, cast

import pytest
from bson import Int64, ObjectId
from neosqlite import Connection
from neosqlite.collection.query_engine import QueryEngine
from neosqlite.collection.query_helper import QueryHelper
from neosqlite.results import UpdateResult

from services.all_in_one.embedded_writes import inserting, setting

Document = dict[str, Any]
AT = datetime(2026, 3, 1, 12, 0)
DOCUMENTS: list[Document] = [
    {"_id": "a", "n": 1, "state": "new", "deep": {"list": [1, 2], "b": {"c": 1}}, "at": AT, "none": None},
    {"_id": "b", "n": 2.5, "state": "new", "flag": True, "deep": {}, "big": Int64(2**40)},
    {"_id": "c", "n": "3", "state": ["new", "old"], "data": b"\x00\xff"},
    {"_id": "5f43a1b2c3d4e5f6a7b8c9d0", "n": 0, "state": None, "deep": "no object"},
    {"_id": "7", "n": False, "state": "", "words": ["Å", "\x00"]},
]
Ways = Callable[..., Any]


@pytest.fixture
def collections() -> Iterator[tuple[Any, Any]]:
    """Two with the same documents: one for each way."""
    connection = Connection(":memory:")
    made = tuple(connection.create_collection(name) for name in ("long", "short"))
    for one in made:
        one.insert_many([dict(document) for document in DOCUMENTS])
    yield cast("tuple[Any, Any]", made)
    connection.close()


def not_taken(*_: object, **__: object) -> object:
    raise AssertionError("the long way")


def both(collections: tuple[Any, Any], query: Document, changes: Document, *, many: bool, plain: bool) -> None:
    """Update in both ways and compare; `plain`: the short way must not call the long one."""
    long, short = collections
    update = cast("Ways", QueryEngine.update_many if many else QueryEngine.update_one)
    told = update(long.query_engine, dict(query), dict(changes))
    shorter = setting(not_taken if plain else update, UpdateResult, many=many)
    got = cast("Any", shorter(short.query_engine, dict(query), dict(changes)))
    assert (got.matched_count, got.modified_count) == (told.matched_count, told.modified_count)
    assert list(short.find()) == list(long.find())


QUERIES: list[Document] = [
    {"_id": "a"},
    {"_id": "none"},
    {"_id": "5f43a1b2c3d4e5f6a7b8c9d0"},
    {"_id": "7"},
    {"_id": "a", "state": "new"},
    {"_id": "a", "state": "old"},
    {"_id": "a", "n": {"$in": [1, 2]}},
    {"_id": "a", "n": {"$in": [2]}},
    {"_id": "a", "n": {"$in": []}},
    {"_id": "a", "n": {"$lt": 2}},
    {"_id": "a", "n": {"$gte": 1, "$lt": 2}},
    {"_id": "a", "n": {"$gt": Int64(1)}},
    {"_id": "b", "big": Int64(2**40)},
    {"_id": "c", "n": {"$lt": 9}},
    {"_id": "b", "missing": {"$lt": 9}},
    {"_id": "a", "none": None},
    {"_id": "a", "missing": None},
    {"_id": "a", "state": None},
    {"_id": "a", "deep.b.c": 1},
    {"_id": "5f43a1b2c3d4e5f6a7b8c9d0", "state": None, "n": 0},
    {"_id": "5f43a1b2c3d4e5f6a7b8c9d0", "deep.b": None},
    {"_id": "b", "flag": True},
    {"_id": "a", "state": "new", "none": None, "n": {"$in": [1]}},
]
CHANGES: list[Document] = [
    {"n": 7},
    {"n": 1, "state": "new"},
    {"fresh": {"at": AT, "list": [{"a": None}]}},
    {"deep.list": [3], "deep.b.c": 2},
    {"deep.b.d.e": "Å\x00"},
    {"flag": False, "data": b"\x01"},
    {"none": None, "n": 1},
]


@pytest.mark.parametrize("query", QUERIES, ids=str)
@pytest.mark.parametrize("values", CHANGES[:6], ids=str)
def test_one_document_is_changed_as_before(collections: tuple[Any, Any], query: Document, values: Document) -> None:
    through_text = query["_id"].startswith("5f") and any(field.startswith("deep.") for field in values)
    both(collections, query, {"$set": values}, many=False, plain=not through_text)


@pytest.mark.parametrize("values", CHANGES[6:], ids=str)
def test_what_is_there_already_is_no_change(collections: tuple[Any, Any], values: Document) -> None:
    both(collections, {"_id": "a"}, {"$set": values}, many=False, plain=True)


def test_a_date_stays_one(collections: tuple[Any, Any]) -> None:
    """As in MongoDB. The long way makes a text of a date that is set by itself."""
    short = collections[1]
    told = cast(
        "Any", setting(not_taken, UpdateResult, many=False)(short.query_engine, {"_id": "a"}, {"$set": {"at": AT}})
    )
    assert (told.matched_count, told.modified_count) == (1, 0)
    assert list(short.find()) == DOCUMENTS


@pytest.mark.parametrize(
    "query",
    [
        {"_id": {"$in": ["a", "b", "none", "7"]}},
        {"_id": {"$in": ["a", "b", "7"]}, "state": "new"},
        {"_id": {"$in": ["a", "b"]}, "n": {"$in": [1, 2.5]}},
        {"_id": "a"},
    ],
    ids=str,
)
def test_many_documents_are_changed_as_before(collections: tuple[Any, Any], query: Document) -> None:
    both(collections, query, {"$set": {"state": "done", "n": 1}}, many=True, plain=True)


@pytest.mark.parametrize(
    ("query", "changes"),
    [
        ({"state": "new"}, {"$set": {"n": 9}}),
        ({"_id": {"$gt": "a"}}, {"$set": {"n": 9}}),
        ({"_id": {"$in": []}}, {"$set": {"n": 9}}),
        ({"_id": {"$in": ["a", 7]}}, {"$set": {"n": 9}}),
        ({"_id": "a", "at": {"$gte": AT}}, {"$set": {"n": 9}}),
        ({"_id": "a", "deep": {"$exists": True}}, {"$set": {"n": 9}}),
        ({"_id": "c", "state": "old"}, {"$set": {"n": 9}}),
        ({"_id": "a", "$or": [{"n": 1}]}, {"$set": {"n": 9}}),
        ({"_id": "a"}, {"$inc": {"n": 9}}),
        ({"_id": "a"}, {"$set": {"n": 9}, "$unset": {"state": ""}}),
        ({"_id": "a"}, {"$set": {"deep.list.0": 9}}),
    ],
    ids=str,
)
def test_what_is_not_plain_goes_the_long_way(collections: tuple[Any, Any], query: Document, changes: Document) -> None:
    with pytest.raises(AssertionError, match="the long way"):
        setting(not_taken, UpdateResult, many=True)(collections[1].query_engine, query, changes)
    both(collections, query, changes, many=True, plain=False)


def test_nothing_is_written_before_the_long_way_is_taken(collections: tuple[Any, Any]) -> None:
    """One of the two documents has no object where the path leads through."""
    short = collections[1]
    query, changes = {"_id": {"$in": ["a", "5f43a1b2c3d4e5f6a7b8c9d0"]}}, {"$set": {"deep.b": 1}}
    with pytest.raises(AssertionError, match="the long way"):
        setting(not_taken, UpdateResult, many=True)(short.query_engine, query, changes)
    assert list(short.find()) == DOCUMENTS


@pytest.mark.parametrize("text", ["", '{"_id": "a", ', "[]"])
def test_a_document_that_somebody_broke_goes_the_long_way(collections: tuple[Any, Any], text: str) -> None:
    short = collections[1]
    short.db.execute("UPDATE short SET data = ? WHERE _id = 'a'", (text,))
    with pytest.raises(AssertionError, match="the long way"):
        setting(not_taken, UpdateResult, many=False)(short.query_engine, {"_id": "a"}, {"$set": {"n": 9}})


@pytest.mark.parametrize("more", [{"upsert": True}, {"array_filters": [{"x": 1}]}])
def test_what_makes_documents_or_looks_into_lists_goes_the_long_way(
    collections: tuple[Any, Any], more: Mapping[str, Any]
) -> None:
    with pytest.raises(AssertionError, match="the long way"):
        setting(not_taken, UpdateResult, many=False)(
            collections[1].query_engine, {"_id": "a"}, {"$set": {"n": 9}}, **more
        )


@pytest.mark.parametrize(
    ("document", "plain"),
    [
        ({"_id": "x", "n": [1, {"at": AT}], "data": b"\x00\xff", "text": 'a "b" \x00 Å'}, True),
        ({"_id": 5, "n": 1}, False),
        ({"n": 1}, False),
        ({"_id": "x", "odd": ObjectId("5f43a1b2c3d4e5f6a7b8c9d1")}, False),
    ],
    ids=str,
)
def test_a_document_is_inserted_as_before(collections: tuple[Any, Any], document: Document, plain: bool) -> None:
    long, short = collections
    if not plain:
        with pytest.raises(AssertionError, match="the long way"):
            inserting(not_taken)(short.query_engine.helpers, document)
        return
    insert = cast("Callable[[Any, Document], object]", QueryHelper._internal_insert)
    told = insert(long.query_engine.helpers, dict(document))
    assert inserting(not_taken)(short.query_engine.helpers, dict(document)) == told
    assert list(short.find()) == list(long.find())
    with pytest.raises(Exception, match="UNIQUE"):
        inserting(not_taken)(short.query_engine.helpers, dict(document))


def test_files_of_a_bucket_go_the_long_way() -> None:
    connection = Connection(":memory:")
    files = connection.create_collection("raw_large_files")
    with pytest.raises(AssertionError, match="the long way"):
        setting(not_taken, UpdateResult, many=False)(files.query_engine, {"_id": "a"}, {"$set": {"n": 9}})
    with pytest.raises(AssertionError, match="the long way"):
        inserting(not_taken)(files.query_engine.helpers, {"_id": "a"})
    connection.close()


def test_what_they_stand_in_for_is_there() -> None:
    """Under the names that another version may have changed."""
    assert all(hasattr(QueryEngine, name) for name in ("update_one", "update_many"))
    assert hasattr(QueryHelper, "_internal_insert")
