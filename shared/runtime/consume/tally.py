"""The one log line per mail and stage, and what is counted of it."""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta

import structlog

from shared.contracts.messages import Message
from shared.domain.decision import Kind
from shared.domain.errors import AutomatorError, MalformedMessage
from shared.observability.tracing import Span
from shared.runtime.consume.outcome import Result
from shared.runtime.process import Process

log = structlog.get_logger(__name__)

UNKNOWN_MAIL = "unknown_mail"
OUTCOMES = frozenset(kind.value for kind in Kind)
OLD = timedelta(days=1)
"""Mail that was this old when it was fetched is backlog: nobody waits for it, and it says nothing of our speed."""


class Tally:
    """Of one stage."""

    def __init__(self, process: Process, stage: str) -> None:
        self._metrics, self._clock, self._stage = process.metrics, process.clock, stage
        for reason in (MalformedMessage.code, UNKNOWN_MAIL):
            self._metrics.dead_letters.labels(stage, reason)  # shown as 0, so that the first one is an increase
        for outcome in (*OUTCOMES, "quarantined"):
            self._metrics.outcome_age.labels(outcome)

    def count(self, messages: Sequence[Message], outcomes: Sequence[Result], seconds: float) -> None:
        """What became of these, which were worked on together for so long."""
        metrics, stage = self._metrics, self._stage
        metrics.stage_duration.labels(stage).observe(seconds)
        metrics.batch_size.labels(stage).observe(len(messages))
        now = self._clock.now()
        metrics.last_finished.labels(stage).set(now.timestamp())
        ages, ends = metrics.message_age.labels(stage), Counter[tuple[str, str]]()
        for message, outcome in zip(messages, outcomes, strict=True):
            failed = isinstance(outcome, AutomatorError)
            label, reason = ("failed", outcome.code) if failed else (outcome.label, outcome.reason)
            ends[label, reason] += 1
            if not message.imported:
                age = max(0.0, (now - message.received_at).total_seconds())
                ages.observe(age)
                if label in OUTCOMES and _first(message):
                    metrics.outcome_age.labels(label).observe(age)
            log.info(label, stage=stage, mail_id=message.mail_id, mailbox=message.mailbox, reason=reason)
        for (label, reason), count in ends.items():
            metrics.messages.labels(stage, label, reason).inc(count)

    def refused(self, error: MalformedMessage) -> None:
        """A message that is not of the contract."""
        self._metrics.dead_letters.labels(self._stage, error.code).inc()
        log.error("message_refused", stage=self._stage, error=error.line())

    def unknown(self, message: Message) -> None:
        """A message that failed, of a mail that is not in the ledger."""
        self._metrics.dead_letters.labels(self._stage, UNKNOWN_MAIL).inc()
        log.error(UNKNOWN_MAIL, stage=self._stage, mail_id=message.mail_id)

    def quarantined(self, message: Message, at: datetime) -> None:
        """A mail that failed then, is in quarantine now, and was not before."""
        if _first(message):
            age = (at - message.received_at).total_seconds()
            self._metrics.outcome_age.labels("quarantined").observe(max(0.0, age))


def end(span: Span, outcome: Result) -> None:
    """Close the span of a mail with what became of it."""
    if isinstance(outcome, AutomatorError):
        span.end({"mail_automator.outcome": "failed"}, error=outcome.code)
    else:
        span.end({"mail_automator.outcome": outcome.label, "mail_automator.reason": outcome.reason})


def _first(message: Message) -> bool:
    """Whether the service level counts this mail: not a replay, and fetched within a day of its arrival."""
    return message.decision_version == 1 and message.fetched_at - message.received_at < OLD
