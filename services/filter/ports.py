"""What the filter asks of the parser, the store, the configuration and the clock."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Protocol

from shared.domain.decision import Decision
from shared.domain.email import Email
from shared.domain.errors import AutomatorError
from shared.domain.ledger import DecisionWrite, LedgerEntry
from shared.domain.mailbox import Mailbox
from shared.runtime.configuration import Snapshot
from shared.store.fingerprints import Claim


class Parser(Protocol):
    """Raw bytes to normalised mails, in other processes."""

    async def parse(self, raws: Sequence[bytes]) -> Sequence[Email | AutomatorError]: ...


class RawMails(Protocol):
    """The raw store."""

    async def get(self, mail_id: str) -> bytes: ...


class Ledger(Protocol):
    """The books."""

    async def decide_many(self, writes: Sequence[DecisionWrite]) -> dict[str, Decision]:
        """Write decisions by compare-and-set; returns the winning decision of each mail."""
        ...

    async def get_many(self, mail_ids: Iterable[str]) -> dict[str, LedgerEntry]: ...
    async def mark_done(self, mail_ids: Sequence[str], version: int) -> None: ...


class Fingerprints(Protocol):
    """Who had some content first."""

    async def owners(self, claims: Sequence[Claim]) -> tuple[str, ...]: ...


class Configuration(Protocol):
    """Mailboxes, cached."""

    @property
    def snapshot(self) -> Snapshot: ...
    async def mailbox(self, name: str) -> Mailbox | None: ...


class Clock(Protocol):
    def now(self) -> datetime: ...
