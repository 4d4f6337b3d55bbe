"""A plan as text for people: one unified diff per change. Pure, and without a secret: the YAML it compares has none."""

import difflib
from collections.abc import Iterator

from services.console.configuration.plan import Action, Change, Plan


def unified(plan: Plan, around: int = 3) -> str:
    """The whole plan as a unified diff, with so many lines around each difference; empty if nothing changes."""
    changed = [one for one in plan.changes if one.action is not Action.UNCHANGED]
    return "".join(line for one in changed for line in _lines(one, around))


def _lines(change: Change, around: int) -> Iterator[str]:
    old = f"{change.title} (stored)" if change.before else "/dev/null"
    new = f"{change.title} (documents)" if change.after else "/dev/null"
    yield from difflib.unified_diff(change.before.splitlines(True), change.after.splitlines(True), old, new, n=around)
    if change.before and change.before == change.after:
        yield f"--- {old}\n+++ {new}\n"
    for name in change.new_secrets:
        yield f"+# {name}: a new secret is given (never shown)\n"


def summary(plan: Plan) -> str:
    """`2 to create, 1 to update, 5 unchanged`."""
    words = ((Action.CREATE, "to create"), (Action.UPDATE, "to update"), (Action.DELETE, "to delete"))
    counts = [(sum(one.action is action for one in plan.changes), word) for action, word in words]
    same = sum(one.action is Action.UNCHANGED for one in plan.changes)
    parts = [f"{count} {word}" for count, word in counts if count]
    return ", ".join([*parts, f"{same} unchanged"] if same or not parts else parts)
