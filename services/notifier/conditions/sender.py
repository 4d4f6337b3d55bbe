"""The mail names a sender."""

from services.notifier.conditions.condition import Asked, Condition, Reason
from shared.domain.email import SenderStatus


def check(asked: Asked) -> str | None:
    """Without a sender there is nobody to answer."""
    missing = asked.answerable.sender is None and asked.answerable.sender_status is not SenderStatus.AMBIGUOUS
    return "The mail names no sender." if missing else None


CONDITION = Condition(Reason.NO_SENDER, __doc__, check)
