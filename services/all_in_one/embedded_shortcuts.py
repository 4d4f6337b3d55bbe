"""Shorter ways through nx-27017 for what this project asks of it often, with the same answers.

Each takes only the plain case and leaves every other one to nx-27017:

* documents behind an `_id`, by the index that it has on `_id`: without this, every document is read for each such page;
* documents whose field is one of some texts, by the index on that field: without this, every document is read;
* some fields of a document, or all but some: without this, the whole document is copied first, part by part;
* an answer of texts, numbers, dates and bytes: without this, each value in it is looked at for ids of nx-27017's own
  kind, which nothing of ours has;
* documents as text: see embedded_json.
"""

import importlib
import re
from collections.abc import Callable, Mapping
from typing import Any, cast

from services.all_in_one import embedded_json

Document = dict[str, Any]
Where = tuple[str, list[Any], list[str]]
Translate = Callable[[object, Mapping[str, Any]], Where | None]
Project = Callable[[object, Mapping[str, Any], Document], Document]
Convert = Callable[[Document], Document]
Encode = Callable[[Document], bytes]


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
    embedded_json.take()
