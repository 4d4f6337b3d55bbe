"""Shorter ways through nx-27017 for what this project asks of it often, with the same answers.

Each takes only the plain case and leaves every other one to nx-27017:

* documents behind an `_id`, by the index that it has on `_id`: without this, every document is read for each such page;
* documents whose field is one of some texts, by the index on that field: without this, every document is read;
* some fields of a document, or all but some: without this, the whole document is copied first, part by part;
* an answer of texts, numbers, dates and bytes: without this, each value in it is looked at for ids of nx-27017's own
  kind, which nothing of ours has;
* a command's content: without this, it is put into words for a log that is off, every mail with all its bytes;
* which collections there are: without this, every command has SQLite list them;
* documents without ids of nx-27017's own kind, as they are: without this, each is copied to replace them;
* documents as text: see embedded_json, and embedded_writes for inserting and changing them.
"""

import importlib
import re
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, cast
from weakref import WeakKeyDictionary

from services.all_in_one import embedded_json, embedded_writes

Document = dict[str, Any]
Where = tuple[str, list[Any], list[str]]
Translate = Callable[[object, Mapping[str, Any]], Where | None]
Project = Callable[[object, Mapping[str, Any], Document], Document]
Convert = Callable[[Document], Document]
Encode = Callable[[Document], bytes]


_NEVER = (str, int, bool, float, bytes, datetime, type(None))
_PLAIN = re.compile(r"(?!_id$)[a-z_]+(\.[a-z_]+)*")
"""A field whose path in SQL is the one of its index."""


def by_index(translate: Translate) -> Translate:
    """A query's SQL, with a short way for `_id` behind a text and for a field that is one of some texts, each alone."""

    def translated(helper: object, query: Mapping[str, Any]) -> Where | None:
        match query:
            case {"_id": {"$gt": str(bound), **others}, **more} if not others and not more:
                return "WHERE _id > ?", [bound], []
            case _ if texts := _one_of(query):
                field, wanted = texts
                places = ", ".join("?" * len(wanted))
                return f"WHERE json_extract(data, '$.{field}') IN ({places})", wanted, []
            case _:
                return translate(helper, query)

    return translated


def _one_of(query: Mapping[str, Any]) -> tuple[str, list[str]] | None:
    """Field and texts, if that is all that the query asks. None of our fields that are asked for so is a list."""
    for field, condition in query.items():
        match condition:
            case {"$in": [*wanted], **others} if wanted and len(query) == 1 and not others and _PLAIN.fullmatch(field):
                texts = [one for one in cast("list[object]", wanted) if isinstance(one, str)]
                return (field, texts) if len(texts) == len(wanted) else None
            case _:
                return None
    return None


def without_copies(project: Project) -> Project:
    """A projection that gives parts of a document as they are. It was read for this answer, and nobody else has it."""

    def projected(helper: object, fields: Mapping[str, Any], document: Document) -> Document:
        kept = set(fields.values())
        if not fields or len(kept) != 1 or not kept <= {0, 1} or any("." in one or one == "_id" for one in fields):
            return project(helper, fields, document)
        if kept == {1}:
            return {name: document[name] for name in ("_id", *fields) if name in document}
        return {name: value for name, value in document.items() if name not in fields}

    return projected


def as_it_is(encode: Encode, convert: Convert, long: Callable[[int], int], refused: type[Exception]) -> Encode:
    """A document as bytes; converted before only if it is `refused` without. `long` makes a long number, which drivers
    expect where an answer says that its cursor is at its end."""

    def encoded(document: Document) -> bytes:
        match document:
            case {"cursor": {"id": 0} as cursor}:
                plain = {**document, "cursor": {**cast("Document", cursor), "id": long(0)}}
            case _:
                plain = document
        try:
            return encode(plain)
        except refused:
            return encode(convert(document))

    return encoded


class _Unspoken(list[tuple[str, Any]]):
    """The parts of a command, which no log shows."""

    def __repr__(self) -> str:
        return "[...]"


def unspoken(parse: Callable[[bytes], Document]) -> Callable[[bytes], Document]:
    """What reads a command off the wire, with parts that nobody puts into words."""

    def parsed(message: bytes) -> Document:
        command = parse(message)
        return {**command, "sections": _Unspoken(command["sections"])}

    return parsed


def remembered(listed: Callable[[Any], list[str]]) -> Callable[[Any], list[str]]:
    """Which collections there are, listed anew only when SQLite says that its schema is another."""
    known: WeakKeyDictionary[Any, tuple[int, list[str]]] = WeakKeyDictionary()

    def names(connection: Any) -> list[str]:
        (version,) = connection.db.execute("PRAGMA schema_version").fetchone()
        if connection not in known or known[connection][0] != version:
            known[connection] = (version, listed(connection))
        return list(known[connection][1])

    return names


def if_needed(convert: Callable[[Any], Any], kind: type) -> Callable[[Any], Any]:
    """What copies a value to replace all of a `kind` in it, for those alone that have one."""

    def converted(value: Any) -> Any:
        return convert(value) if _has(value, kind) else value

    return converted


def _has(value: Any, kind: type) -> bool:
    if isinstance(value, dict):
        return any(_has(part, kind) for part in cast("Document", value).values() if type(part) not in _NEVER)
    if isinstance(value, list):
        return any(_has(part, kind) for part in cast("list[Any]", value) if type(part) not in _NEVER)
    return isinstance(value, kind)


def _as_given(document: Document) -> Document:
    return document


def take() -> None:
    """Take them, in this process, which is the store's: nothing of a service is in it."""
    helper: Any = importlib.import_module("neosqlite.collection.query_helper").QueryHelper
    wire: Any = importlib.import_module("nx_27017.wire_protocol")
    helper._build_simple_where_clause = by_index(helper._build_simple_where_clause)
    helper._apply_projection = without_copies(helper._apply_projection)
    bson: Any = importlib.import_module("bson")
    wire.encode = as_it_is(wire.encode, wire._convert_objectids, bson.Int64, bson.errors.InvalidDocument)
    wire._convert_objectids = _as_given
    wire.OP_MSG.parse = staticmethod(unspoken(wire.OP_MSG.parse))
    utils: Any = importlib.import_module("nx_27017.utils")
    utils.convert_bson_to_neo_objectids = if_needed(utils.convert_bson_to_neo_objectids, bson.ObjectId)
    connection: Any = importlib.import_module("neosqlite.connection").Connection
    connection.list_collection_names = remembered(connection.list_collection_names)
    embedded_json.take()
    embedded_writes.take()
