"""There is exactly one address to answer to, and it can be written to without SMTPUTF8."""

from services.notifier.conditions.condition import Asked, Condition, Reason


def check(asked: Asked) -> str | None:
    """See `services.notifier.recipient`."""
    return None if asked.recipient else "The sender's address is not one that can be answered."


CONDITION = Condition(Reason.NO_RECIPIENT, __doc__, check)
