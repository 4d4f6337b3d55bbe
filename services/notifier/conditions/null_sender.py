"""The envelope of the mail named a sender: the null sender wants no answer (RFC 5321, section 4.5.5)."""

from services.notifier.conditions.condition import Asked, Condition, Reason


def check(asked: Asked) -> str | None:
    """Return-Path: <>."""
    return "The mail has the null sender." if asked.answerable.null_sender else None


CONDITION = Condition(Reason.NULL_SENDER, __doc__, check)
