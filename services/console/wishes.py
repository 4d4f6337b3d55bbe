"""What people asked of the fetcher that reads a mailbox, in words. Pure."""

from datetime import datetime, timedelta

from shared.domain.wishes import Reading


def told(wish: Reading, now: datetime) -> str:
    """Who asked that a mailbox is read at once, how long ago, and what came of it."""
    asked = f"asked {ago(wish.asked_at, now)} by {wish.who}"
    if wish.ended_at is None:
        return asked
    if wish.failure:
        return f"{asked}; could not be read {ago(wish.ended_at, now)}: {wish.failure}"
    return f"read {ago(wish.ended_at, now)}, {asked}"


def ago(at: datetime, now: datetime) -> str:
    """How long ago that was, in its largest unit."""
    past = max(now - at, timedelta())
    for width, word in ((timedelta(days=1), "d"), (timedelta(hours=1), "h"), (timedelta(minutes=1), "min")):
        if past >= width:
            return f"{past // width} {word} ago"
    return f"{past // timedelta(seconds=1)} s ago"
