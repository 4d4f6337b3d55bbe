"""What a filter rule is, and what it may know besides the mail and the mailbox.

A rule is a file: its module docstring is what people read in the console, `check` decides, `RULE` names it. A rule
never fetches: what must be looked up first stands in `Facts`, which the handler loads.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from shared.domain.decision import Reason, Step, Verdict
from shared.domain.email import Automatic, Email
from shared.domain.mailbox import MailboxSpec

STAGE = "filter"


@dataclass(frozen=True, slots=True)
class Facts:
    """What was looked up for one mail.

    `own_addresses` is every address that is a mailbox of ours, `duplicate_of` the mail_id that this mail repeats (None
    if it repeats none, or nobody asked yet). The rest is read from our keyed marks: `own_loop_marker`, whether its
    header carries one of ours; `answers_ours`, whether it carries any other (an answer to a mail of ours, or a report
    about one); `forged_mark`, whether something in it only looks like a mark; `base_addresses`, the mailbox's address
    for each recipient with a mark in it (`support+inc-000042.…@example.com`).
    """

    own_addresses: frozenset[str] = field(default=frozenset())
    duplicate_of: str | None = None
    own_loop_marker: bool = False
    answers_ours: bool = False
    forged_mark: bool = False
    base_addresses: Mapping[str, str] = field(default_factory=dict[str, str])


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


def reports_on_ours(mail: Email, facts: Facts) -> bool:
    """Whether it is a delivery report about a mail of ours: its sender is some mail server's, which no list knows."""
    return mail.automatic is Automatic.BOUNCE and facts.answers_ours


def step(reason: Reason, verdict: Verdict, sentence: str, **looked_at: str) -> Step:
    """A line of the trace. `looked_at` holds the few values that decided."""
    return Step(stage=STAGE, rule=reason.value, verdict=verdict, sentence=sentence, looked_at=looked_at)
