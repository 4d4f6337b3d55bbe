"""Cursors: where a page ended, as one opaque word. A cursor names no content and opens nothing."""

import base64
import binascii
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated, TypeVar

import orjson
from fastapi import Query
from pydantic import TypeAdapter, ValidationError

from services.console.api.problems import Refused

T = TypeVar("T")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SEEN = TypeAdapter(tuple[Annotated[int, "milliseconds since 1970"], str])
_LATEST_MS = 253_402_300_799_000

Limit = Annotated[int, Query(ge=1, le=200, description="At most this many, newest first.")]
Cursor = Annotated[
    str | None,
    Query(max_length=400, pattern=r"^[A-Za-z0-9_=-]+$", description="`nextCursor` of the page before."),
]


def read(cursor: str | None) -> tuple[datetime, str] | None:
    """The instant and key of the last thing seen. Raises Refused 422 for a cursor that is none of ours."""
    if cursor is None:
        return None
    try:
        at, key = _SEEN.validate_json(base64.urlsafe_b64decode(cursor), strict=True)
    except (binascii.Error, ValueError, ValidationError):
        raise _foreign() from None
    if not 0 <= at <= _LATEST_MS or not key.isprintable():
        raise _foreign()
    return _EPOCH + timedelta(milliseconds=at), key


def write(at: datetime, key: str) -> str:
    """The cursor after a thing of that instant and key."""
    return base64.urlsafe_b64encode(orjson.dumps([(at - _EPOCH) // timedelta(milliseconds=1), key])).decode()


def cut(found: Sequence[T], limit: int, place: Callable[[T], tuple[datetime, str]]) -> tuple[Sequence[T], str | None]:
    """One page of `limit + 1` things that were asked for, and the cursor of the next if there is one."""
    page = found[:limit]
    return page, write(*place(page[-1])) if len(found) > limit else None


def utc(moment: datetime | None) -> datetime | None:
    """A moment of a query; one without a zone is UTC."""
    return moment if moment is None or moment.tzinfo else moment.replace(tzinfo=UTC)


def _foreign() -> Refused:
    return Refused(
        422, "the cursor is not one of ours", where="query.cursor", remedy="begin without it", code="invalid_cursor"
    )
