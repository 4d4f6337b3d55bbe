"""What becomes of a mail that failed. What happens depends on the fate of its error alone:

* Transient, or an unknown exception: `next_attempt_at` is written to the ledger;
* Permanent, or attempts exhausted: the mail is quarantined with its reason and its event.

Its message is acknowledged after that: from then on the ledger alone knows that it is to be tried again.
"""

import random
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Protocol

import structlog

from shared.broker.client import Broker
from shared.contracts.events import mail_quarantined
from shared.contracts.messages import Message
from shared.domain.errors import AutomatorError, BrokerUnavailable, Permanent, StoreUnavailable
from shared.domain.ledger import Alone, Failure, LedgerEntry
from shared.domain.ticket import OutboxEvent
from shared.observability.crash_points import crash_point
from shared.runtime.consume.outcome import Result
from shared.runtime.consume.suspects import MAX_ALONE, KillsWorker
from shared.runtime.consume.tally import Tally
from shared.runtime.outbox import Debts, send_owed
from shared.runtime.process import Process

log = structlog.get_logger(__name__)

MAX_ATTEMPTS = 8


class Retries(Debts, Protocol):
    """The ledger, as far as failures go."""

    async def get(self, mail_id: str) -> LedgerEntry | None: ...
    async def get_many(self, mail_ids: Iterable[str]) -> Mapping[str, LedgerEntry]: ...
    async def tried_alone(self, mail_id: str, alone: Alone) -> None: ...
    async def defer(self, mail_id: str, failure: Failure, next_attempt_at: datetime) -> int: ...
    async def quarantine(self, mail_id: str, failure: Failure, event: OutboxEvent) -> bool: ...


def backoff(attempts: int, chance: float) -> timedelta:
    """How long a mail waits after that many failed attempts: 10 s doubling to 6 h, between half and one and a half.

    `chance` is a random number in [0, 1).
    """
    return timedelta(seconds=min(10 * 2**attempts, 6 * 3600) * (0.5 + chance))


class Failures:
    """Of one stage. `event_source` is the `source` of the events it makes."""

    def __init__(
        self, process: Process, broker: Broker, stage: str, retries: Retries, event_source: str, tally: Tally
    ) -> None:
        self._process = process
        self._broker = broker
        self._stage = stage
        self._retries = retries
        self._source = event_source
        self._tally = tally

    async def of_suspect(self, message: Message, tried: int) -> KillsWorker | None:
        """The verdict on a suspect that has had its chances; else note that it gets another one."""
        if tried >= MAX_ALONE:
            what = f"the process ended {tried} times while it worked on this mail alone"
            return KillsWorker(what, where=self._stage, remedy="look at the raw mail before you replay it")
        await self._retries.tried_alone(message.mail_id, Alone(stage=self._stage, times=tried + 1))
        crash_point("stage.after_alone")
        return None

    async def write_down(self, messages: Sequence[Message], outcomes: Sequence[Result]) -> None:
        """Put off or quarantine those whose outcome is an error, and publish what the quarantined owe. Raises
        StoreUnavailable."""
        quarantined = [
            message.mail_id
            for message, outcome in zip(messages, outcomes, strict=True)
            if isinstance(outcome, AutomatorError) and await self._write_down(message, outcome)
        ]
        await self._tell(quarantined)

    async def _write_down(self, message: Message, error: AutomatorError) -> bool:
        """Whether that put the mail into quarantine."""
        now = self._process.clock.now()
        failure = Failure(stage=self._stage, code=error.code, what=error.line(), at=now)
        entry = await self._retries.get(message.mail_id)
        if entry is None:
            self._tally.unknown(message)
            return False
        if isinstance(error, Permanent) or entry.attempts + 1 >= MAX_ATTEMPTS:
            return await self._quarantine(message, entry, failure)
        await self._retries.defer(message.mail_id, failure, now + backoff(entry.attempts, random.random()))  # noqa: S311 - jitter
        crash_point("stage.after_failure")
        self._process.metrics.retries.labels(self._stage, error.code).inc()
        return False

    async def _quarantine(self, message: Message, entry: LedgerEntry, failure: Failure) -> bool:
        self._process.metrics.quarantined.labels(self._stage, failure.code).inc()
        event = mail_quarantined(entry, failure, self._source)
        quarantined = await self._retries.quarantine(message.mail_id, failure, event)
        crash_point("stage.after_quarantine")
        if quarantined:
            self._tally.quarantined(message, failure.at)
        return quarantined

    async def _tell(self, quarantined: Sequence[str]) -> None:
        """Publish what these mails owe. If that fails they go on owing it, and the bookkeeper sends it."""
        try:
            await send_owed(self._retries, self._broker, quarantined)
        except (StoreUnavailable, BrokerUnavailable) as error:
            log.warning("event_put_off", stage=self._stage, error=error.line())
