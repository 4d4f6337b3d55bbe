"""The mailbox that the mail came to is still there and enabled."""

from services.notifier.conditions.condition import Asked, Condition, Reason


def check(asked: Asked) -> str | None:
    """A mailbox that was deleted or disabled meanwhile answers nobody."""
    if asked.spec is None:
        return "The mailbox was deleted meanwhile."
    return None if asked.spec.enabled else "The mailbox is disabled."


CONDITION = Condition(Reason.MAILBOX_GONE, __doc__, check)
