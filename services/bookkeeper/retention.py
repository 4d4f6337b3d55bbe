"""Deletes what has been kept for its time: raw mails of what was rejected, traces, what rows tell, audit records.

Each part has its walk, along the keys of the mails that came to an end: how far it is, the store knows. Mails in flight
and in quarantine are in none of them. The walk goes past a mail that is not final yet, but what is noted as done ends
before it, so that it is looked at again. Any number of replicas: each step changes nothing when it is repeated.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import structlog

from services.bookkeeper.ports import AuditLog, Clock, Fading
from services.bookkeeper.settings import BookkeeperSettings
from shared.domain.decision import Kind
from shared.observability.crash_points import crash_point
from shared.observability.metrics import Metrics
from shared.store.fading import KINDS, Part

log = structlog.get_logger(__name__)

AUDIT = "audit"
BATCHES = 10
"""Batches of one part that one look takes at most."""


@dataclass(frozen=True, slots=True)
class Periods:
    """How long what is kept, by part; what is missing is kept for ever."""

    mails: Mapping[Part, timedelta]
    audit: timedelta | None = None

    @classmethod
    def of(cls, settings: BookkeeperSettings) -> "Periods":
        """As the settings say; 0 days keeps it."""
        days = {
            Part.RAW: settings.rejected_raw_days,
            Part.TRACE: settings.trace_days,
            Part.ROW: settings.ledger_days,
        }
        audit = timedelta(days=settings.audit_days) if settings.audit_days else None
        return cls({part: timedelta(days=number) for part, number in days.items() if number}, audit)


@dataclass(slots=True)
class Retention:
    """The walks."""

    fading: Fading
    audit: AuditLog
    clock: Clock
    metrics: Metrics
    periods: Periods
    batch: int = 200
    _ahead: dict[str, str] = field(default_factory=dict[str, str])

    def __post_init__(self) -> None:
        """Show every part as 0, so that the first one is an increase."""
        for name in (*Part, AUDIT):
            self.metrics.expired.labels(str(name))

    async def expire(self) -> None:
        """One look: some batches of each part."""
        for part, period in self.periods.mails.items():
            until = self.clock.now() - period
            self._tell(part.value, sum([await self._walk(part, kind, until) for kind in KINDS[part]]))
        if self.periods.audit is not None:
            self._tell(AUDIT, await self._audit(self.clock.now() - self.periods.audit))

    async def _walk(self, part: Part, kind: Kind, until: datetime) -> int:
        walk, count = f"{part.value}/{kind.value}", 0
        for _ in range(BATCHES):
            done = await self.fading.place(walk)
            behind = max(done, self._ahead.pop(walk, ""))
            mails = await self.fading.ended(kind, behind, until, self.batch)
            if not mails:
                break
            count += await self.fading.drop(part, [one for one in mails if one.final], self.clock.now())
            crash_point("bookkeeper.after_expired")
            reached, whole = mails[-1].key, behind == done and all(one.final for one in mails)
            if whole:
                await self.fading.reached(walk, reached)
                crash_point("bookkeeper.after_fading_place")
            else:
                self._ahead[walk] = reached
        return count

    async def _audit(self, before: datetime) -> int:
        count = 0
        for _ in range(BATCHES):
            deleted = await self.audit.expire(before, self.batch)
            crash_point("bookkeeper.after_expired_audit")
            count += deleted
            if deleted < self.batch:
                break
        return count

    def _tell(self, part: str, count: int) -> None:
        if count:
            self.metrics.expired.labels(part).inc(count)
            log.info("expired", part=part, count=count)
