"""What everything that sends shares in one process."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from services.notifier.patience import Waits
from services.notifier.ports import Access, BudgetCounts, Clock, Configuration, OutboundMails, Sending, Tickets
from shared.domain.budgets import Budgets
from shared.domain.marks import Marks
from shared.observability.metrics import Metrics
from shared.observability.tracing import Tracing


@dataclass(frozen=True, slots=True)
class Tools:
    """`worker` names this process in claims, which last for `ttl` and are renewed."""

    worker: str
    tickets: Tickets
    outbound: OutboundMails
    sending: Sending
    counts: BudgetCounts
    configuration: Configuration
    access: Access
    marks: Marks
    budgets: Budgets
    waits: Waits
    ttl: timedelta
    clock: Clock
    metrics: Metrics
    tracing: Tracing | None = None


class ServerClock:
    """The time of the store's server, asked once and carried on by our own monotonic clock."""

    def __init__(self, asked: datetime, clock: Clock) -> None:
        self._asked = asked
        self._clock = clock
        self._since = clock.monotonic()

    def now(self) -> datetime:
        """What the server's clock shows by now."""
        return self._asked + timedelta(seconds=self._clock.monotonic() - self._since)
