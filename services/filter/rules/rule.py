"""What a filter rule is, and what it may know besides the mail and the mailbox.

A rule is a file: its module docstring is what people read in the console, `check` decides, `RULE` names it. A rule
never fetches: what must be looked up first stands in `Facts`, which the handler loads.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum

from shared.domain.decision import Reason, Step, Verdict
from shared.domain.email import Email
from shared.domain.mailbox import MailboxSpec

STAGE = "filter"


@dataclass(frozen=True, slots=True)
class Facts:
    """What was looked up for one mail: every address that is a mailbox of ours, and the mail_id that this mail
    repeats (None if it repeats none, or nobody asked yet)."""

    own_addresses: frozenset[str] = field(default=frozenset())
    duplicate_of: str | None = None


Check = Callable[[Email, MailboxSpec, Facts], Step]


class Beat(StrEnum):
    """When a rule can be asked: `screen` at once, `settle` when the fingerprints of the mail have been claimed."""

    SCREEN = "screen"
    SETTLE = "settle"


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule: its reason code (name, metric label, what the console shows), its text for people, its check."""

    reason: Reason
    about: str | None
    check: Check
    beat: Beat = Beat.SCREEN

    @property
    def name(self) -> str:
        """The reason code as text."""
        return self.reason.value

    @property
    def title(self) -> str:
        """The first line of its text."""
        return (self.about or self.name).strip().partition("\n")[0]


def step(reason: Reason, verdict: Verdict, sentence: str, **looked_at: str) -> Step:
    """A line of the trace. `looked_at` holds the few values that decided."""
    return Step(stage=STAGE, rule=reason.value, verdict=verdict, sentence=sentence, looked_at=looked_at)
