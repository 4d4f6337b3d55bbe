"""The mail arrived less than a day ago: nobody wants an acknowledgement of old mail."""

from datetime import timedelta
from typing import Final

from services.notifier.conditions.condition import Asked, Condition, Reason

OLDEST: Final = timedelta(hours=24)


def check(asked: Asked) -> str | None:
    """By its arrival at the server, against the clock when its ticket's event came."""
    old = asked.taken_at - asked.received_at > OLDEST
    return "The mail is older than a day." if old else None


CONDITION = Condition(Reason.BACKLOG, __doc__, check)
