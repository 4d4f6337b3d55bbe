"""The mailbox, or an alias of it, stands in To or Cc: who wrote to us in Bcc, or by a forward, expects no answer."""

from services.notifier.conditions.condition import Asked, Condition, Reason


def check(asked: Asked) -> str | None:
    """RFC 3834, section 2."""
    return None if asked.answerable.addressed else "The mailbox stands neither in To nor in Cc."


CONDITION = Condition(Reason.NOT_ADDRESSED, __doc__, check)
