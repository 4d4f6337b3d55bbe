"""The mail carries no loop marker (X-Ticket-Loop), neither ours nor one that pretends to be."""

from services.notifier.conditions.condition import Asked, Condition, Reason


def check(asked: Asked) -> str | None:
    """The first lock against loops; whoever writes such a marker by hand gets no answer either."""
    return "The mail carries a loop marker." if asked.answerable.marked else None


CONDITION = Condition(Reason.LOOP_MARKER, __doc__, check)
