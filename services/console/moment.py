"""One line of what happened to a mail. Pure."""

from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Moment:
    """One line of the timeline. `at` is None where only the order is known."""

    stage: str
    step: str
    verdict: str
    sentence: str
    at: datetime | None = None
    looked_at: dict[str, str] = field(default_factory=dict[str, str])
