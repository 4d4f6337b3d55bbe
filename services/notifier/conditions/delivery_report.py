"""The mail is no delivery report (RFC 3464)."""

from services.notifier.conditions.condition import Asked, Condition, Reason
from shared.domain.email import Automatic


def check(asked: Asked) -> str | None:
    """Answering a bounce would bounce."""
    return "The mail is a delivery report." if asked.answerable.automatic is Automatic.BOUNCE else None


CONDITION = Condition(Reason.DELIVERY_REPORT, __doc__, check)
