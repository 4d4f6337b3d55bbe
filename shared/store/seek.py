"""Keys by which the newest of a kind are found, one page after the other: value, instant and id as one text. Pure.

A range of such keys, read backwards, is the newest first. It takes one index of one field, which every
MongoDB-compatible server uses (see shared/store/collection.py), and no page costs more than the one before it.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple

from shared.store.collection import milliseconds

Seen = tuple[datetime, str]
"""Where a page ended: the instant and the id in the key of its last document."""

_VALUE_LIMIT = 320
_AFTER_DIGITS = ":"

WITHOUT_KEYS: Mapping[str, Any] = {"seek.all": {"$exists": False}}
"""The condition for documents of a version that had no keys; there are none, once shared/store/upgrade.py has run."""


class Span(NamedTuple):
    """From when on, and before when. None: any."""

    since: datetime | None = None
    until: datetime | None = None


def key(value: str, at: datetime, ident: str) -> str:
    """The key of a thing under a value."""
    return f"{plain(value)} {_digits(at)} {ident}"


def place(found: str) -> Seen:
    """The instant and the id in a key."""
    _, digits, ident = found.split(" ")
    return datetime.fromtimestamp(int(digits) / 1000, UTC), ident


def within(value: str, span: Span = Span(), after: Seen | None = None) -> dict[str, str]:  # noqa: B008 - immutable
    """The condition for the keys under a value, in a span; only those older than `after`."""
    start = plain(value)
    lowest = f"{start} {_digits(span.since) if span.since else ''}"
    ends = [f"{start} {_digits(span.until)}" if span.until else f"{start} {_AFTER_DIGITS}"]
    if after is not None:
        ends.append(key(value, *after))
    return {"$gte": lowest, "$lt": min(ends)}


def plain(value: str) -> str:
    """A value as it stands in keys: without blanks, and not endless."""
    return "".join(value.split())[:_VALUE_LIMIT]


def newest_first(field: str) -> tuple[tuple[str, int], ...]:
    """The order of a page."""
    return ((field, -1),)


def given(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Those that are not None."""
    return {name: value for name, value in fields.items() if value is not None}


def _digits(at: datetime) -> str:
    return f"{max(0, milliseconds(at)):015d}"
