"""A person wrote the mail: it is no automatic answer and no notice of a program (Auto-Submitted, RFC 3834)."""

from services.notifier.conditions.condition import Asked, Condition, Reason


def check(asked: Asked) -> str | None:
    """Any word but `no` in Auto-Submitted counts, also one that nobody knows."""
    mail = asked.answerable
    if mail.automatic is not None:
        return "No person wrote the mail."
    if mail.auto_submitted is None:
        return None
    word = mail.auto_submitted.partition(";")[0].strip().lower()
    return None if word == "no" else "The mail says that a program sent it (Auto-Submitted)."


CONDITION = Condition(Reason.AUTOMATIC_MAIL, __doc__, check)
