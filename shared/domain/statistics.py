"""What is counted beforehand, so that no page has to count the books: values only."""

from collections.abc import Sequence
from datetime import datetime
from math import ceil

from pydantic import Field

from shared.domain.value import Value


class BooksRow(Value):
    """The books of one mailbox: mails by outcome, of all time and of today (UTC, by arrival). `total` may also hold
    `unaccounted`."""

    mailbox: str
    total: dict[str, int]
    today: dict[str, int] = Field(default_factory=dict[str, int])


class Books(Value):
    """The books as they were counted at an instant."""

    at: datetime
    rows: tuple[BooksRow, ...] = ()


class Hour(Value):
    """The mails that arrived in the hour that begins at `start`, by outcome, and how many seconds those that became
    tickets took from the mail server to that decision."""

    start: datetime
    outcomes: dict[str, int]
    median_seconds: float | None = None
    p95_seconds: float | None = None


def quantile(values: Sequence[float], share: float) -> float | None:
    """The nearest-rank quantile (`share` 0.5: the median); None of nothing."""
    ordered = sorted(values)
    return ordered[max(0, ceil(share * len(ordered)) - 1)] if ordered else None
