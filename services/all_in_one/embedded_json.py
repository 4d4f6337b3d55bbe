"""Documents of the embedded store as JSON text and back, by orjson: the standard library's was a fifth of its time.

nx-27017 writes a date as `{"$date": …}` and bytes in a form of its own. What orjson does not take, and what has that
other form in it, goes the long way.
"""

import sys
from collections.abc import Callable
from datetime import datetime
from typing import Any, cast

import orjson

Loads = Callable[..., Any]
Dumps = Callable[..., str]

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
            return orjson.dumps(value, default=_date, option=orjson.OPT_PASSTHROUGH_DATETIME).decode()
        except TypeError:
            return long(value)

    return dumps


def _date(value: object) -> object:
    if isinstance(value, datetime):
        return {_DATE: value.isoformat()}
    raise TypeError


def _with_dates(value: object) -> object:
    """The same value with its dates in place. Raises ValueError for one that is not a text: the long way knows them."""
    if isinstance(value, dict):
        parts = cast("dict[str, object]", value)
        if _DATE in parts:
            return _date_of(parts[_DATE])
        for key, part in parts.items():
            if isinstance(part, dict | list):
                parts[key] = _with_dates(cast("object", part))
        return parts
    items = cast("list[object]", value)
    for at, item in enumerate(items):
        if isinstance(item, dict | list):
            items[at] = _with_dates(cast("object", item))
    return items


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
