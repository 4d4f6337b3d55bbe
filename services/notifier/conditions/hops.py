"""The mail came over fewer than 25 servers (Received fields): more are the sign of a loop."""

from typing import Final

from services.notifier.conditions.condition import Asked, Condition, Reason

MAX_RECEIVED: Final = 25


def check(asked: Asked) -> str | None:
    """A mail that went round and round."""
    count = asked.answerable.received_count
    return f"The mail came over {count} servers, as in a loop." if count >= MAX_RECEIVED else None


CONDITION = Condition(Reason.TOO_MANY_HOPS, __doc__, check)
