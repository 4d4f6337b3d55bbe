"""The mail is not from before the mailbox began: old mail that is imported is never acknowledged, however old it is."""

from services.notifier.conditions.condition import Asked, Condition, Reason


def check(asked: Asked) -> str | None:
    """By the mark that the fetcher gave it."""
    return "The mail was imported: it is from before the mailbox began." if asked.answerable.imported else None


CONDITION = Condition(Reason.IMPORTED, __doc__, check)
