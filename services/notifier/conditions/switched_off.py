"""Acknowledgements are switched on for the mailbox."""

from services.notifier.conditions.condition import Asked, Condition, Reason


def check(asked: Asked) -> str | None:
    """The mailbox's own switch."""
    on = asked.spec is not None and asked.spec.acknowledgements.enabled
    return None if on else "Acknowledgements are switched off for this mailbox."


CONDITION = Condition(Reason.SWITCHED_OFF, __doc__, check)
