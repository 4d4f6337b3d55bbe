"""What the ticket writer asks of the store, the configuration and the clock."""

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from typing import Protocol

from shared.domain.decision import Decision
from shared.domain.ledger import DecisionWrite, KnownMail, LedgerEntry
from shared.domain.mailbox import Mailbox
from shared.domain.ticket import Appended, Ticket
from shared.store.tickets import Reopening


class KnownMails(Protocol):
    """The reading half of the books."""

    async def get_many(self, mail_ids: Iterable[str]) -> dict[str, LedgerEntry]: ...
    async def of_message_ids(self, message_ids: Sequence[str]) -> tuple[KnownMail, ...]:
        """The mails that have one of these Message-IDs, the newest first."""
        ...


class Ledger(KnownMails, Protocol):
    """The books."""

    async def decide_many(self, writes: Sequence[DecisionWrite]) -> dict[str, Decision]:
        """Write decisions by compare-and-set; returns the winning decision of each mail."""
        ...

    async def mark_done(self, mail_ids: Sequence[str], version: int) -> None: ...


class Heads(Protocol):
    """Tickets and requests, as they are looked up."""

    async def heads(self, ticket_ids: Collection[str], numbers: Collection[str] = ()) -> tuple[Ticket, ...]:
        """Those that exist, by id or number, without their texts."""
        ...


class Tickets(Heads, Protocol):
    """Tickets and requests."""

    async def insert_many(self, tickets: Sequence[Ticket]) -> None: ...
    async def count_duplicates(self, pairs: Sequence[tuple[str, str]]) -> frozenset[str]:
        """Count (ticket_id, mail_id) pairs; returns the mail_ids whose ticket is not there."""
        ...

    async def reopen_by_mails(self, reopenings: Sequence[Reopening]) -> None:
        """Open closed tickets again, each closing once."""
        ...

    async def touch(self, changes: Sequence[tuple[str, datetime]]) -> None: ...
    async def mark_published(self, ticket_ids: Sequence[str]) -> None: ...


class Articles(Protocol):
    """The mails of tickets after the first."""

    async def insert_many(self, appended: Sequence[Appended]) -> None: ...
    async def mark_published(self, mail_ids: Sequence[str]) -> None: ...


class Counters(Protocol):
    """Consecutive numbers."""

    async def take(self, name: str, count: int = 1) -> int: ...


class Books(Protocol):
    """What a mail is judged by."""

    @property
    def ledger(self) -> KnownMails: ...
    @property
    def tickets(self) -> Heads: ...


class Store(Protocol):
    """The store, as far as this stage sees it."""

    @property
    def ledger(self) -> Ledger: ...
    @property
    def tickets(self) -> Tickets: ...
    @property
    def articles(self) -> Articles: ...
    @property
    def counters(self) -> Counters: ...


class Configuration(Protocol):
    """Mailboxes, cached."""

    async def mailbox(self, name: str) -> Mailbox | None: ...


class Clock(Protocol):
    def now(self) -> datetime: ...
