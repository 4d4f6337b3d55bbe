"""What the notifier asks of the store, the mail servers and the clock."""

from collections.abc import Awaitable, Callable, Iterable, Sequence
from datetime import datetime, timedelta
from typing import Protocol

from pydantic import SecretStr

from services.notifier.compose import Letter
from shared.domain.budgets import Budgets, Scope
from shared.domain.mailbox import Mailbox
from shared.domain.marks import Marks
from shared.domain.outbound import Outbound, SendingStatus
from shared.domain.ticket import Acknowledgement, Ticket
from shared.oauth.values import Application, Token
from shared.runtime.configuration import Snapshot
from shared.sasl.values import Kind
from shared.store.budgets import Spending


class Tickets(Protocol):
    """Tickets, as far as acknowledgements go."""

    async def get(self, ticket_id: str) -> Ticket | None: ...
    async def get_many(self, ticket_ids: Iterable[str]) -> dict[str, Ticket]: ...
    async def show_acknowledgements(self, mails: Sequence[Outbound]) -> None: ...


class OutboundMails(Protocol):
    """Acknowledgements on their way out; see `shared.store.outbound`."""

    async def insert_many(self, mails: Sequence[Outbound]) -> tuple[Outbound, ...]: ...
    async def get(self, ticket_id: str) -> Outbound | None: ...
    async def due(self, limit: int, without: Sequence[str] = ()) -> tuple[Outbound, ...]: ...
    async def claim(self, mail: Outbound, worker: str, ttl: timedelta) -> Outbound | None: ...
    async def renew(self, mail: Outbound, ttl: timedelta) -> bool: ...
    async def count(self, mail: Outbound) -> Outbound | None: ...
    async def move(
        self, mail: Outbound, status: Acknowledgement, *, due_at: datetime | None = None, attempts: int | None = None
    ) -> Outbound | None: ...
    async def expired(self, limit: int) -> tuple[Outbound, ...]: ...
    async def take_back(self, mail: Outbound, status: Acknowledgement) -> Outbound | None: ...
    async def to_show(self, limit: int) -> tuple[Outbound, ...]: ...
    async def shown(self, mails: Sequence[Outbound]) -> None: ...
    async def count_by_state(self) -> dict[str, int]: ...
    async def oldest_pending(self) -> datetime | None: ...


class Sending(Protocol):
    """How the sending of each mailbox is."""

    async def now(self) -> datetime:
        """The time of the store's server, by which all of this goes."""
        ...

    async def all(self) -> dict[str, SendingStatus]: ...
    async def begin(self, status: SendingStatus, retry_at: datetime) -> bool: ...
    async def save(self, status: SendingStatus) -> None: ...


class BudgetCounts(Protocol):
    """What has been spent of the budgets."""

    async def spend(self, budgets: Budgets, ticket_id: str, address: str, domain: str, now: datetime) -> Spending: ...
    async def spent(self, now: datetime) -> frozenset[Scope]: ...
    async def forget(self, now: datetime) -> None: ...


class Configuration(Protocol):
    """Mailboxes and catalogue."""

    @property
    def snapshot(self) -> Snapshot: ...
    async def mailbox(self, name: str) -> Mailbox | None: ...


class MarkKeys(Protocol):
    """The keys of our marks."""

    async def marks(self) -> Marks: ...


class Identity(Protocol):
    """Who signs in to a server, and with what."""

    @property
    def user(self) -> str: ...
    @property
    def kind(self) -> Kind: ...
    @property
    def secret(self) -> Callable[[], Awaitable[SecretStr]]:
        """Gives the password, or a token that is good for a while."""
        ...


class Session(Protocol):
    """A signed-in connection; see `services.notifier.smtp.session`."""

    @property
    def usable(self) -> bool: ...
    async def deliver(self, letter: Letter, before_dot: Callable[[], Awaitable[None]]) -> str: ...
    async def close(self) -> None: ...


class Access(Protocol):
    """Opens the SMTP server of a mailbox."""

    async def open(self, mailbox: Mailbox) -> Session: ...


class Secrets(Protocol):
    """Where passwords are kept."""

    async def reveal(self, mailbox: Mailbox, field: str) -> SecretStr: ...


class Tokens(Protocol):
    """Access tokens."""

    async def application_token(self, mailbox: str, application: Application) -> Token: ...
    def forget(self, mailbox: str) -> None: ...


class PersonTokens(Protocol):
    """Access tokens on behalf of people who signed in."""

    async def token(self, mailbox: Mailbox, application: Application) -> Token: ...
    def forget(self, mailbox: str, token: Token) -> None: ...


class Clock(Protocol):
    """Wall clock (UTC) and monotonic seconds."""

    def now(self) -> datetime: ...
    def monotonic(self) -> float: ...
