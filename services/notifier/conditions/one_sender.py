"""The mail names exactly one sender."""

from services.notifier.conditions.condition import Asked, Condition, Reason
from shared.domain.email import SenderStatus


def check(asked: Asked) -> str | None:
    """Of several senders none is trusted."""
    one = asked.answerable.sender_status is SenderStatus.OK
    return None if one else "The mail names more than one sender, so nobody can tell who wrote it."


CONDITION = Condition(Reason.AMBIGUOUS_SENDER, __doc__, check)
