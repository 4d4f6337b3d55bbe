"""What the ticket writer asks of the store and the clock."""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from shared.domain.decision import Decision
from shared.domain.ledger import DecisionWrite, LedgerEntry
from shared.domain.ticket import Ticket


class Ledger(Protocol):
    """The books."""

    async def get_many(self, mail_ids: Sequence[str]) -> dict[str, LedgerEntry]: ...
    async def decide_many(self, writes: Sequence[DecisionWrite]) -> dict[str, Decision]:
        """Write decisions by compare-and-set; returns the winning decision of each mail."""
        ...

    async def mark_done(self, mail_ids: Sequence[str]) -> None: ...


class Tickets(Protocol):
    """Tickets and requests."""

    async def insert_many(self, tickets: Sequence[Ticket]) -> None: ...
    async def count_duplicates(self, pairs: Sequence[tuple[str, str]]) -> frozenset[str]:
        """Count (ticket_id, mail_id) pairs; returns the mail_ids whose ticket is not there."""
        ...

    async def mark_published(self, ticket_ids: Sequence[str]) -> None: ...


class Counters(Protocol):
    """Consecutive numbers."""

    async def take(self, name: str, count: int = 1) -> int: ...


class Clock(Protocol):
    def now(self) -> datetime: ...
