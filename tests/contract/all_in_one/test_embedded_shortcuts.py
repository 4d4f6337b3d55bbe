"""The shorter ways through the embedded store give the same answers, and are really taken."""

import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime
from json import JSONDecodeError
from typing import Any

import neosqlite
import pytest
import pytest_asyncio
from bson import Int64, ObjectId, decode, encode
from bson.errors import InvalidDocument
from neosqlite.binary import Binary
from neosqlite.collection import json_helpers
from nx_27017.utils import convert_bson_to_neo_objectids

from services.all_in_one.embedded_json import quick_dumps, quick_loads
from services.all_in_one.embedded_server import at_once
from services.all_in_one.embedded_shortcuts import as_it_is, by_index, if_needed, remembered, unspoken, without_copies
from shared.store.client import Store
from shared.store.collection import Collection

ID = ObjectId("5f43a1b2c3d4e5f6a7b8c9d0")
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


VALUES: list[Any] = [
    *({key: value for key, value in one.items() if key != "data"} for one in DOCUMENTS),
    {"at": AT, "deep": [AT, {"at": AT.replace(microsecond=1000)}], "text": 'a "$date" of $date, and Å \x00 \U0001f600'},
    {"naive": datetime(2026, 3, 1, 12, 0), "none": None, "yes": True, "float": 1.5, "long": Int64(2**62)},
    {"date": datetime(2026, 3, 1, tzinfo=UTC).date()},
    {"bytes": Binary(b"\x00\xff"), "at": AT},
    {"more than 64 bits": 2**70, "at": AT},
    {1: "a key that is no text"},
    {"half": "\ud800"},
    [AT, [AT]],
    "text",
    None,
]
TEXTS = ['{"a": {"$date": 1772366400000}}', '{"a": {"$date": "no date"}}', '{"a": {"$date": {}}}', "[NaN]", '"$date"']


@pytest.mark.parametrize("value", VALUES, ids=range(len(VALUES)))
def test_a_document_is_the_same_by_either_way(value: object) -> None:
    short, long = quick_dumps(json_helpers.neosqlite_json_dumps), json_helpers.neosqlite_json_dumps
    read, read_long = quick_loads(json_helpers.neosqlite_json_loads), json_helpers.neosqlite_json_loads
    told = read_long(long(value))
    assert read(long(value)) == read(short(value)) == read_long(short(value)) == told
    assert read(short(value), parse_int=str) == read_long(short(value), parse_int=str)


@pytest.mark.parametrize("text", TEXTS)
def test_a_text_that_the_short_way_does_not_know_goes_the_long_one(text: str) -> None:
    assert repr(quick_loads(json_helpers.neosqlite_json_loads)(text)) == repr(json_helpers.neosqlite_json_loads(text))


def test_text_that_is_none_is_refused_as_before() -> None:
    with pytest.raises(JSONDecodeError):
        quick_loads(json_helpers.neosqlite_json_loads)('{"a": ')
    with pytest.raises(TypeError):
        quick_dumps(json_helpers.neosqlite_json_dumps)({"odd": object()})


def test_what_only_one_way_was_taken_for_is_taken_everywhere() -> None:
    """In a process of its own: it stays taken there."""
    asked = (
        "import importlib, sys; importlib.import_module('nx_27017.nx_27017');"
        "from services.all_in_one import embedded_json as ours; ours.take();"
        "print([name for name, one in sys.modules.items() if name.startswith('neosqlite')"
        " for way in (getattr(one, 'neosqlite_json_loads', None), getattr(one, 'neosqlite_json_dumps', None))"
        " if way is not None and way.__module__ != ours.__name__])"
    )
    told = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "[]"


async def test_work_for_other_threads_is_done_in_the_one_that_gives_it() -> None:
    assert await at_once(threading.get_ident) == threading.get_ident()
    with pytest.raises(ZeroDivisionError):
        await at_once(lambda: 1 // 0)


def test_a_command_is_not_put_into_words() -> None:
    told = unspoken(lambda message: {"request_id": 1, "sections": [("body", {"insert": message})]})(b"all of a mail")
    assert told["sections"] == [("body", {"insert": b"all of a mail"})]
    assert "mail" not in f"{told['sections']}"


def test_collections_are_known_as_soon_as_they_are_made_and_no_longer_than_they_are_there() -> None:
    connection = neosqlite.Connection(":memory:")
    asked: list[object] = []
    names = remembered(lambda one: asked.append(one) or one.list_collection_names())
    assert (names(connection), names(connection)) == ([], [])
    connection.create_collection("first")
    names(connection).append("what somebody does to the answer")
    assert (names(connection), names(connection)) == (["first"], ["first"])
    connection.drop_collection("first")
    assert names(connection) == []
    assert len(asked) == 3
    connection.close()


@pytest.mark.parametrize("value", [{"a": [{"b": ID}]}, [ID], ID, {"a": 1, "b": {"c": [1, [{"d": ID}]]}}], ids=str)
def test_ids_of_a_kind_are_replaced_wherever_they_are(value: object) -> None:
    assert if_needed(convert_bson_to_neo_objectids, ObjectId)(value) == convert_bson_to_neo_objectids(value)


def test_what_has_no_such_id_is_not_copied() -> None:
    plain = {"a": [1, "x", {"b": None, "c": AT}], "d": b"x"}
    assert if_needed(convert_bson_to_neo_objectids, ObjectId)(plain) is plain


def test_what_they_stand_in_for_is_there() -> None:
    """Under the names that another version may have changed: then they would be taken by nobody."""
    from neosqlite.collection.query_helper import QueryHelper
    from nx_27017 import server, wire_protocol
    from nx_27017.handler import NeoSQLiteHandler

    assert "to_thread" in server.handle_client.__code__.co_names
    assert hasattr(wire_protocol.OP_MSG, "parse")
    assert "convert_bson_to_neo_objectids" in NeoSQLiteHandler._convert_objectids.__code__.co_names
    assert all(hasattr(QueryHelper, name) for name in ("_build_simple_where_clause", "_apply_projection"))
    assert all(hasattr(wire_protocol, name) for name in ("encode", "_convert_objectids"))
