"""Documents of the embedded store as JSON text and back, by orjson: the standard library's was a fifth of its time.

nx-27017 writes a date as `{"$date": …}` and bytes in a form of its own. What orjson does not take, and what has that
other form in it, goes the long way.
"""

import sys
from base64 import b64encode
from collections.abc import Callable
from datetime import datetime
from typing import Any, cast

import orjson

Loads = Callable[..., Any]
Dumps = Callable[..., str]

_WITH_PARTS = (dict, list)
_DATE, _OTHER_FORMS = "$date", "__neosqlite_"


def quick_loads(long: Loads) -> Loads:
    """Reads what `long` reads, to the same value."""

    def loads(text: str, **options: Any) -> Any:
        if options or _OTHER_FORMS in text:
            return long(text, **options)
        try:
            found = orjson.loads(text)
            return _with_dates(cast("object", found)) if _DATE in text and isinstance(found, dict | list) else found
        except ValueError:
            return long(text)

    return loads


def quick_dumps(long: Dumps) -> Dumps:
    """Writes what `long` writes, to a text that reads as the same; shorter, without blanks and escapes."""

    def dumps(value: object, **options: Any) -> str:
        if options:
            return long(value, **options)
        try:
            return as_text(value)
        except TypeError:
            return long(value)

    return dumps


def as_text(value: object) -> str:
    """JSON of a value, as a document is stored. Raises TypeError for what is neither JSON nor a date nor bytes."""
    return orjson.dumps(value, default=_in_its_form, option=orjson.OPT_PASSTHROUGH_DATETIME).decode()


def _in_its_form(value: object) -> object:
    if isinstance(value, datetime):
        return {_DATE: value.isoformat()}
    if type(value) is bytes:
        return {"__neosqlite_binary__": True, "data": b64encode(value).decode(), "subtype": 0}
    raise TypeError


def _with_dates(value: Any) -> Any:
    """The same value with its dates in place. Raises ValueError for one that is not a text: the long way knows them."""
    if isinstance(value, list):
        items = cast("list[Any]", value)
        for at, part in enumerate(items):
            if type(part) in _WITH_PARTS:
                items[at] = _with_dates(part)
        return items
    if _DATE in value:
        return _date_of(value[_DATE])
    for key, part in value.items():
        if type(part) in _WITH_PARTS:
            value[key] = _with_dates(part)
    return value


def _date_of(told: object) -> datetime:
    if not isinstance(told, str):
        raise ValueError(_DATE)
    return datetime.fromisoformat(told.replace("Z", "+00:00"))


def take() -> None:
    """Take these ways in every module of neosqlite that is loaded; each has the functions under a name of its own."""
    helpers = sys.modules["neosqlite.collection.json_helpers"]
    ways = {
        name: (getattr(helpers, name), quick(getattr(helpers, name)))
        for name, quick in (("neosqlite_json_loads", quick_loads), ("neosqlite_json_dumps", quick_dumps))
    }
    for module in [one for name, one in sys.modules.items() if name.partition(".")[0] == "neosqlite"]:
        for name, (long, quick) in ways.items():
            if getattr(module, name, None) is long:
                setattr(module, name, quick)
