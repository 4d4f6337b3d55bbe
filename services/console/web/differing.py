"""What of two JSON objects is not the same in both, so that a new keyword does not show a whole catalogue. Pure."""

import json
from collections.abc import Iterator
from typing import Any, Final

Object = dict[str, Any]
_NOTHING: Final = object()


def differing(old: Object, new: Object) -> tuple[Object, Object]:
    """Both without what they share, at any depth. Lists keep the entries that the other does not have, or all of them
    if only their order differs."""
    before, after = Object(), Object()
    for key, one, other in _pairs(old, new):
        mine, its = _parts(one, other)
        before |= {} if mine is _NOTHING else {key: mine}
        after |= {} if its is _NOTHING else {key: its}
    return before, after


def _pairs(old: Object, new: Object) -> Iterator[tuple[str, Any, Any]]:
    for key in {**old, **new}:
        one, other = old.get(key, _NOTHING), new.get(key, _NOTHING)
        if one != other:
            yield key, one, other


def _parts(old: Any, new: Any) -> tuple[Any, Any]:
    if _are(dict, old, new):
        return differing(old, new)
    return _lists(old, new) if _are(list, old, new) else (old, new)


def _are(kind: type, *values: object) -> bool:
    return all(isinstance(one, kind) for one in values)


def _lists(old: list[Any], new: list[Any]) -> tuple[list[Any], list[Any]]:
    mine, its = ({json.dumps(one, sort_keys=True): one for one in several} for several in (old, new))
    left = [one for key, one in mine.items() if key not in its]
    right = [one for key, one in its.items() if key not in mine]
    return (left, right) if left or right else (old, new)
