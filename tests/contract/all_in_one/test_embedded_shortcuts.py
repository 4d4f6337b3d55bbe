"""The shorter ways through the embedded store give the same answers, and are really taken."""

from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime
from typing import Any

import pytest
import pytest_asyncio
from bson import Int64, decode, encode
from bson.errors import InvalidDocument

from services.all_in_one.embedded_shortcuts import as_it_is, by_index, without_copies
from shared.store.client import Store
from shared.store.collection import Collection

AT = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
DOCUMENTS = [
    {"_id": key, "n": at, "at": AT, "data": b"\x00\xff", "deep": {"list": [1, {"a": None}]}, "id": 0}
    for at, key in enumerate(("Å", "b", "a", "a/2", "10", "Z"))
]


@pytest_asyncio.fixture
async def scratch(store: Store) -> AsyncIterator[Collection]:
    found = store.collection("scratch")
    await found.insert_many([dict(one) for one in DOCUMENTS])
    yield found


async def test_documents_behind_an_id_are_those_and_in_its_order(scratch: Collection) -> None:
    """As bytes are ordered, which MongoDB does, too."""
    found = await scratch.find({"_id": {"$gt": "Z"}}, sort=(("_id", 1),), limit=3)
    assert [one["_id"] for one in found] == ["a", "a/2", "b"]


async def test_a_further_condition_is_not_lost(scratch: Collection) -> None:
    found = await scratch.find({"_id": {"$gt": "Z"}, "n": 3}, sort=(("_id", 1),))
    assert [one["_id"] for one in found] == ["a/2"]
    found = await scratch.find({"_id": {"$gt": "10", "$lt": "a/2"}}, sort=(("_id", 1),))
    assert [one["_id"] for one in found] == ["Z", "a"]


async def test_parts_of_documents_are_what_was_written(scratch: Collection) -> None:
    whole = DOCUMENTS[2]
    some = await scratch.find({"_id": "a"}, only=("deep", "data", "missing"))
    assert some == [{name: whole[name] for name in ("_id", "deep", "data")}]
    others = await scratch.find({"_id": "a"}, without=("deep", "at"))
    assert others == [{name: whole[name] for name in ("_id", "n", "data", "id")}]
    assert await scratch.find({"_id": "a"}) == [whole]


async def test_what_is_changed_after_a_part_of_it_was_read_is_changed_once(scratch: Collection) -> None:
    """Nothing that was given away is kept."""
    await scratch.find({"_id": "a"}, only=("deep",))
    await scratch.update({"_id": "a"}, {"$set": {"deep.list": [2]}})
    assert (await scratch.find({"_id": "a"}, only=("deep",)))[0]["deep"] == {"list": [2]}


async def test_documents_whose_field_is_one_of_some_texts_are_those_and_no_others(scratch: Collection) -> None:
    await scratch.insert_many([{"_id": f"t{n}", "head": {"line": f"line {n}"}, "m": n} for n in range(5)])
    wanted = {"head.line": {"$in": ["line 1", "line 3", 'it\'s "none"']}}
    assert sorted(one["_id"] for one in await scratch.find(wanted)) == ["t1", "t3"]
    assert [one["_id"] for one in await scratch.find(wanted, sort=(("m", -1),), limit=1)] == ["t3"]
    assert [one["_id"] for one in await scratch.find({**wanted, "m": 1})] == ["t1"]
    assert await scratch.find({"head.line": {"$in": ["Line 1"]}}) == []


@pytest.mark.parametrize(
    ("query", "sql"),
    [
        ({"a.b": {"$in": ["x", "y"]}}, ("WHERE json_extract(data, '$.a.b') IN (?, ?)", ["x", "y"], [])),
        ({"a.b": {"$in": ["x", 1]}}, None),
        ({"a.b": {"$in": []}}, None),
        ({"a.b": {"$in": ["x"], "$ne": "y"}}, None),
        ({"a.b": {"$in": ["x"]}, "n": 1}, None),
        ({"_id": {"$in": ["x"]}}, None),
        ({"a'b": {"$in": ["x"]}}, None),
    ],
)
def test_only_texts_of_a_plain_field_alone_take_the_short_way(query: Mapping[str, Any], sql: object) -> None:
    long = ("", ["long"], list[str]())
    assert by_index(lambda _, __: long)(None, query) == (sql or long)


@pytest.mark.parametrize(
    ("query", "short"),
    [
        ({"_id": {"$gt": "a"}}, True),
        ({"_id": {"$gt": 1}}, False),
        ({"_id": {"$gt": "a", "$lt": "b"}}, False),
        ({"_id": {"$gt": "a"}, "n": 1}, False),
        ({"_id": "a"}, False),
        ({}, False),
    ],
)
def test_only_the_plain_query_takes_the_short_way(query: Mapping[str, Any], short: bool) -> None:
    long = ("", ["long"], list[str]())
    translated = by_index(lambda _, __: long)(None, query)
    assert translated == (("WHERE _id > ?", ["a"], []) if short else long)


@pytest.mark.parametrize(
    ("fields", "short"), [({"n": 1}, True), ({"n": 0}, True), ({"a.b": 1}, False), ({"n": "$m"}, False), ({}, False)]
)
def test_only_plain_fields_take_the_short_way(fields: Mapping[str, Any], short: bool) -> None:
    document = {"_id": "a", "n": 1, "m": 2}
    got = without_copies(lambda _, __, ___: {"long": 1})(None, fields, document)
    assert (got != {"long": 1}) is short


def test_what_only_the_long_way_can_write_goes_that_way() -> None:
    odd = {"cursor": {"id": 0, "firstBatch": [{"odd": object()}]}}
    with pytest.raises(InvalidDocument):
        encode(odd)
    assert as_it_is(encode, lambda _: {"ok": 1}, Int64, InvalidDocument)(odd) == encode({"ok": 1})


def test_the_end_of_a_cursor_is_a_long_number() -> None:
    answer = as_it_is(encode, lambda one: one, Int64, InvalidDocument)({"cursor": {"id": 0, "firstBatch": []}})
    assert type(decode(answer)["cursor"]["id"]) is Int64


def test_what_they_stand_in_for_is_there() -> None:
    """Under the names that another version may have changed: then they would be taken by nobody."""
    from neosqlite.collection.query_helper import QueryHelper
    from nx_27017 import wire_protocol

    assert all(hasattr(QueryHelper, name) for name in ("_build_simple_where_clause", "_apply_projection"))
    assert all(hasattr(wire_protocol, name) for name in ("encode", "_convert_objectids"))
