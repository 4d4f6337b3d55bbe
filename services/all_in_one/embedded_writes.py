"""Shorter ways to write to the embedded store: a document that is inserted, fields of documents that are set.

nx-27017 copies a document before it is inserted and has its text checked. To set fields it reads a document, has SQL
change its text, and reads it again; and where SQL cannot say which documents are meant, it looks each up once more.
These take the text of documents that are named by their ids, and write another one. What they do not know goes the long
way before anything of it is written: ids that are not texts, values that are neither JSON nor dates nor bytes, other
conditions and changes than those below, paths through what is not an object, files of GridFS.
"""

import importlib
import operator
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, TypeGuard, cast

import orjson

from services.all_in_one.embedded_json import as_text

Document = dict[str, Any]
Insert = Callable[[Any, Document], object]
Update = Callable[..., object]
Path = tuple[str, ...]

_PATH: Final = re.compile(r"[a-z_][a-z0-9_]*(\.[a-z_][a-z0-9_]*)*")
"""A field in objects: no part of it counts items of a list, or is an operator."""
_TABLE: Final = re.compile(r"[a-z][a-z_]*(?<!_files)(?<!_chunks)")
"""A collection that is no part of a GridFS bucket, and needs no quotes in SQL."""
_MOST: Final = 1000
"""Documents of one update: their texts are in memory together."""
_ORDER: Final[Mapping[str, Callable[[float, float], bool]]] = {
    "$lt": operator.lt,
    "$lte": operator.le,
    "$gt": operator.gt,
    "$gte": operator.ge,
}
_INSERT: Final = "INSERT INTO {}(data, _id) VALUES (?, ?)"
_SELECT: Final = "SELECT id, data FROM {} WHERE _id IN ({})"
_UPDATE: Final = "UPDATE {} SET data = ? WHERE id = ?"
_SCALARS: Final = (str, int, float, bool, type(None))


class NotPlain(Exception):
    """This is for the long way."""


def inserting(insert: Insert) -> Insert:
    """What inserts one document, and returns its id."""

    def inserted(helper: Any, document: Document) -> object:
        key, table = document.get("_id"), helper.collection.name
        if not isinstance(key, str) or not _TABLE.fullmatch(table):
            return insert(helper, document)
        try:
            text = as_text(document)
        except TypeError:
            return insert(helper, document)
        helper.collection.db.execute(_INSERT.format(table), (text, key))
        return key

    return inserted


def setting(update: Update, result: Callable[..., object], *, many: bool) -> Update:
    """What updates documents, or the first one; `result` makes its answer of how many were found and changed."""

    def updated(engine: Any, query: Document, changes: Document, upsert: bool = False, **more: Any) -> object:
        table, database = engine.collection.name, engine.collection.db
        try:
            if upsert or more.get("array_filters") or not _TABLE.fullmatch(table):
                raise NotPlain
            keys, values = _keys(query, many), _values(changes)
            rows = database.execute(_SELECT.format(table, ", ".join("?" * len(keys))), keys).fetchall()
            found = {key: document for key, text in rows if _meets(document := _read(text), query)}
            changed = [key for key, document in found.items() if _put(document, values)]
        except NotPlain:
            return update(engine, query, changes, upsert=upsert, **more)
        for key in changed:
            database.execute(_UPDATE.format(table), (orjson.dumps(found[key]).decode(), key))
        return result(len(found), len(changed), None)

    return updated


def _keys(query: Mapping[str, Any], many: bool) -> Sequence[str]:
    """The ids of the documents that are asked for."""
    asked: object = query.get("_id")
    keys = _wanted(asked) if many else None
    if isinstance(asked, str):
        return [asked]
    if keys and len(keys) <= _MOST and all(isinstance(key, str) for key in keys):
        return cast("list[str]", keys)
    raise NotPlain


def _wanted(asked: object) -> list[object] | None:
    """Those of which a value is to be one, if that is what is asked."""
    conditions = cast("Document", asked) if isinstance(asked, dict) else {}
    wanted: object = conditions.get("$in")
    return cast("list[object]", wanted) if isinstance(wanted, list) and len(conditions) == 1 else None


def _values(changes: Mapping[str, Any]) -> Mapping[Path, object]:
    """The values that are set, as they are in a document's text, by their paths."""
    fields: object = changes.get("$set")
    if len(changes) != 1 or not isinstance(fields, dict):
        raise NotPlain
    try:
        return {_path(field): orjson.loads(as_text(value)) for field, value in cast("Document", fields).items()}
    except TypeError:
        raise NotPlain from None


def _path(field: str) -> Path:
    if field == "_id" or not _PATH.fullmatch(field):
        raise NotPlain
    return tuple(field.split("."))


def _read(text: str) -> Document:
    try:
        found: object = orjson.loads(text)
    except ValueError:
        raise NotPlain from None
    if not isinstance(found, dict):
        raise NotPlain
    return cast("Document", found)


def _meets(document: Document, query: Mapping[str, Any]) -> bool:
    """Whether it meets all that is asked besides its id."""
    return all(_holds(_at(document, _path(field)), asked) for field, asked in query.items() if field != "_id")


def _at(document: Document, path: Path) -> object:
    """The value there; None where there is none, which is asked for as if it were None."""
    value: object = document
    for step in path:
        if isinstance(value, list):
            raise NotPlain
        value = cast("Mapping[str, object]", value).get(step) if isinstance(value, dict) else None
    return value


def _holds(value: object, asked: object) -> bool:
    """Whether a value that is stored is one of those that are asked for."""
    wanted = _wanted(asked)
    if wanted is not None:
        return any(_is(value, one) for one in wanted)
    if isinstance(asked, dict) and (conditions := cast("Document", asked)):
        return all(_is_in_order(value, *one) for one in conditions.items())
    return _is(value, cast("object", asked))


def _is(value: object, asked: object) -> bool:
    if not isinstance(asked, _SCALARS) or isinstance(value, list):
        raise NotPlain
    return value == asked and isinstance(value, bool) == isinstance(asked, bool)


def _is_in_order(value: object, sign: str, bound: object) -> bool:
    """Numbers are compared with numbers."""
    if sign not in _ORDER or not _is_number(bound) or isinstance(value, list):
        raise NotPlain
    return _is_number(value) and _ORDER[sign](value, bound)


def _is_number(value: object) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _put(document: Document, values: Mapping[Path, object]) -> bool:
    """Put the values into a document; returns whether it changed."""
    changed = False
    for (*parents, field), value in values.items():
        fields = document
        for step in parents:
            inner: object = fields.setdefault(step, {})
            if not isinstance(inner, dict):
                raise NotPlain
            fields = cast("Document", inner)
        changed = changed or field not in fields or fields[field] != value
        fields[field] = value
    return changed


def take() -> None:
    """Take them, in this process, which is the store's."""
    helper: Any = importlib.import_module("neosqlite.collection.query_helper").QueryHelper
    engine: Any = importlib.import_module("neosqlite.collection.query_engine").QueryEngine
    result: Any = importlib.import_module("neosqlite.results").UpdateResult
    helper._internal_insert = inserting(helper._internal_insert)
    engine.update_one = setting(engine.update_one, result, many=False)
    engine.update_many = setting(engine.update_many, result, many=True)
