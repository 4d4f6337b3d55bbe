"""How long to wait before the next try. Pure; `chance` is a random number in [0, 1)."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from services.notifier.errors import ServerTrouble
from shared.domain.errors import AutomatorError
from shared.domain.outbound import Outbound, SendingStatus


@dataclass(frozen=True, slots=True)
class Waits:
    """A mail that was put off, or a server that cannot be reached, waits `retry`, doubling up to `most`; after a
    sign-in that was refused (lock-outs!) or a fault of configuration `rejected`, doubling up to six hours. Nothing is
    tried longer than `give_up` after it began."""

    retry: timedelta = timedelta(minutes=1)
    most: timedelta = timedelta(hours=2)
    rejected: timedelta = timedelta(minutes=15)
    rejected_most: timedelta = timedelta(hours=6)
    give_up: timedelta = timedelta(hours=24)

    def of_mail(self, mail: Outbound, now: datetime, chance: float) -> datetime | None:
        """When a mail that the server put off is tried again; None: it is given up."""
        due = now + _doubled(self.retry, mail.attempts, self.most) * (0.75 + chance / 2)
        return due if due < mail.since + self.give_up else None

    def of_mailbox(self, error: AutomatorError, failures: int) -> timedelta:
        """How long a mailbox's server is left alone after so many failures before this one."""
        if isinstance(error, ServerTrouble):
            return _doubled(self.retry, failures, self.most)
        return _doubled(self.rejected, failures, self.rejected_most)

    def of_trial(self, status: SendingStatus) -> timedelta:
        """How long nobody else tries a mailbox in trouble while one does."""
        return _doubled(self.retry, status.failures, self.most)


def _doubled(first: timedelta, times: int, most: timedelta) -> timedelta:
    return min(first * 2 ** min(times, 20), most)
