"""Times on the command line: an instant in ISO 8601 (UTC unless it says otherwise), or how long ago."""

import re
from datetime import UTC, datetime, timedelta
from typing import Final

import typer

_UNITS: Final = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_DURATION: Final = re.compile(r"(\d{1,6})([smhdw])")


def moment(text: str, now: datetime) -> datetime:
    """The instant that a word means, seen from `now`. Raises typer.BadParameter."""
    found = _DURATION.fullmatch(text.strip())
    try:
        if found is not None:
            return now - timedelta(**{_UNITS[found[2]]: int(found[1])})
        told = datetime.fromisoformat(text.strip())
    except (ValueError, OverflowError):
        raise typer.BadParameter(
            f"{text} is no time: give 2026-03-01, 2026-03-01T12:00Z, or 90s, 30m, 2h, 7d"
        ) from None
    return told.replace(tzinfo=UTC) if told.tzinfo is None else told
