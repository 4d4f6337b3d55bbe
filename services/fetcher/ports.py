"""What the fetcher needs of the world: mail server, store, broker, clock. Values and Protocols only."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Literal, Protocol

from pydantic import SecretStr

from shared.contracts.messages import EmailFetched
from shared.domain.decision import Step
from shared.domain.ledger import LedgerEntry
from shared.domain.mailbox import Imap, Mailbox
from shared.domain.mailbox_runtime import Asked, Cursor, Lease, MailboxStatus, Standing
from shared.domain.sighting import Sighting
from shared.domain.sign_in import SignIn
from shared.domain.ticket import OutboxEvent
from shared.domain.wishes import OldMail, Reading, Wishes
from shared.oauth.values import Application, Token
from shared.sasl.values import Kind


@dataclass(frozen=True, slots=True)
class Selected:
    """An open folder. `uid_validity` 0 means that the server promises nothing about UIDs; `uid_next` 0: not told."""

    uid_validity: int
    exists: int
    uid_next: int
    read_only: bool


@dataclass(frozen=True, slots=True)
class Outline:
    """What a mail is like before it is fetched: bytes as the server announces them, and INTERNALDATE (UTC)."""

    uid: int
    size: int
    internal_date: datetime


@dataclass(frozen=True, slots=True)
class FetchedMail:
    """A mail as it lies on the server. `internal_date` is UTC, in whole seconds. `size` is the whole mail's, in bytes;
    `raw` may be its beginning only (`partial`). `announced` is the size that the server gives in advance: some only
    estimate it."""

    uid: int
    internal_date: datetime
    raw: bytes
    size: int
    partial: bool = False
    announced: int = 0


@dataclass(frozen=True, slots=True)
class Preview:
    """A mail without its body: what it is recognised by. `size` as the server announces it."""

    uid: int
    internal_date: datetime
    size: int
    head: bytes


@dataclass(frozen=True, slots=True)
class Marked:
    """What is compared before the server's copy is touched."""

    uid: int
    internal_date: datetime
    message_id: str | None


class ImapSession(Protocol):
    """A logged-in connection. Steps take turns; each has a deadline. After any error but MessageTrouble it is dead.

    Raises the errors of `services.fetcher.errors`.
    """

    @property
    def capabilities(self) -> frozenset[str]:
        """Upper-case, as told after the login."""
        ...

    @property
    def certificate_until(self) -> datetime | None:
        """When the server's certificate ends."""
        ...

    @property
    def impossible(self) -> int:
        """How many UIDs the last `search_all` named that cannot be, such as 0: such mails cannot be fetched."""
        ...

    async def select(self, folder: str) -> Selected:
        """Open a folder. Raises FolderMissing, which names the folders that exist."""
        ...

    async def search_above(self, uid: int) -> list[int]:
        """The UIDs greater than `uid`, ascending."""
        ...

    async def search_all(self) -> list[int]:
        """Every UID, ascending."""
        ...

    async def search_since(self, day: date) -> list[int]:
        """The UIDs of mails that arrived on that day or later, ascending."""
        ...

    async def search_unmarked(
        self, mark: Literal["seen", "flagged", "deleted"], before: date | None = None
    ) -> list[int]:
        """The UIDs of mails without that flag that arrived before that day, ascending."""
        ...

    async def present(self, uids: Sequence[int]) -> frozenset[int]:
        """Those of these UIDs that are in the folder."""
        ...

    async def outlines(self, uids: Sequence[int]) -> list[Outline]:
        """Size and date of each; a UID that is gone is missing. Raises MessageTrouble."""
        ...

    async def previews(self, uids: Sequence[int]) -> list[Preview]:
        """The header block, size and date of each; one that is gone is missing. Raises MessageTrouble."""
        ...

    async def fetch(self, uids: Sequence[int], size: int) -> list[FetchedMail]:
        """Whole mails (`size` bytes together, for the deadline); one that is gone is missing. Raises MessageTrouble."""
        ...

    async def fetch_start(self, uid: int, limit: int) -> FetchedMail | None:
        """The first `limit` bytes of a mail; None if it is gone. Raises MessageTrouble."""
        ...

    async def marks(self, uids: Sequence[int]) -> dict[int, Marked]:
        """What these mails are, to compare before they are touched."""
        ...

    async def idle(self, seconds: float, news: asyncio.Event | None = None) -> bool:
        """Wait for mail, or until `news` is set; True if the server told of mail, at once if it had told already."""
        ...

    async def noop(self) -> None:
        """Let the server tell what is new."""
        ...

    async def mark_seen(self, uids: Sequence[int]) -> None: ...
    async def flag(self, uids: Sequence[int]) -> None: ...
    async def move(self, uids: Sequence[int], folder: str) -> None: ...
    async def delete(self, uids: Sequence[int]) -> None: ...

    async def close(self) -> None:
        """Log out if the connection is sound, and drop it. Never raises."""
        ...


class Connect(Protocol):
    """Opens a session: connect, TLS, greeting, login, capabilities. `kind` says what `secret` is: a password, to be
    used the strongest way that the server offers, or an access token."""

    async def __call__(self, imap: Imap, login: str, secret: SecretStr, *, kind: Kind = Kind.BASIC) -> ImapSession: ...


class Tokens(Protocol):
    """Access tokens."""

    async def application_token(self, mailbox: str, application: Application) -> Token:
        """One that is good for a while. Raises the errors of `shared.oauth.errors`."""
        ...

    def forget(self, mailbox: str) -> None:
        """The server refuses the last one."""
        ...


class PersonTokens(Protocol):
    """Access tokens on behalf of people who signed in."""

    async def token(self, mailbox: Mailbox, application: Application) -> Token:
        """One that is good for a while. Raises the errors of `shared.oauth.errors`."""
        ...

    def forget(self, mailbox: str, token: Token) -> None:
        """The server refuses this one."""
        ...


class SignIns(Protocol):
    """People's sign-ins, as far as the fetcher looks at them."""

    async def state(self, mailbox: Mailbox) -> SignIn: ...


class Clock(Protocol):
    """Wall clock (UTC) and monotonic seconds."""

    def now(self) -> datetime: ...
    def monotonic(self) -> float: ...


class Publisher(Protocol):
    """The way to the filter."""

    async def publish_fetched(self, messages: Sequence[EmailFetched]) -> None:
        """Publish all, confirmed. Raises BrokerUnavailable."""
        ...


class Belt(Protocol):
    """What this process has on the way to its decision. `few`: new mail of a mailbox, not a backlog."""

    @property
    def batch(self) -> int:
        """How many mails may go together at most."""
        ...

    async def enter(self, mails: int, *, few: bool) -> None:
        """Wait until so many more may go. Raises StoreUnavailable."""
        ...

    def carries(self, mail_ids: Sequence[str], entered: int, *, few: bool) -> None:
        """Of as many as had entered, these are on the way now."""
        ...


class Secrets(Protocol):
    """Where passwords are kept."""

    async def reveal(self, mailbox: Mailbox, field: str) -> SecretStr: ...


class Ledger(Protocol):
    """The part of the ledger that the fetcher writes and asks."""

    async def keep_words(self, entries: Sequence[LedgerEntry]) -> None: ...
    async def insert_many(self, entries: Sequence[LedgerEntry], *, words_kept: bool) -> frozenset[str]: ...
    async def get_many(self, mail_ids: Sequence[str]) -> dict[str, LedgerEntry]: ...
    async def contents_of(self, outline_ids: Sequence[str]) -> dict[str, str]: ...
    async def insert_decided(self, entry: LedgerEntry, outbox: tuple[OutboxEvent, ...]) -> bool: ...
    async def note(self, mail_id: str, step: Step) -> None: ...


class RawStore(Protocol):
    """Raw mails."""

    async def put_many(self, raws: Mapping[str, bytes]) -> None: ...
    def kind_for(self, size: int) -> Literal["inline", "gridfs"]: ...


class Fading(Protocol):
    """What was deleted of mails that are known."""

    async def keep_away(self, entries: Sequence[LedgerEntry]) -> None: ...


class Sightings(Protocol):
    """Which UIDs have been dealt with."""

    async def insert_many(self, sightings: Sequence[Sighting]) -> None: ...
    async def settle(self, sightings: Sequence[Sighting]) -> None: ...
    async def take_over(self, sightings: Sequence[Sighting]) -> None: ...
    async def holes(self, mailbox: str, folder: str, uid_validity: int) -> tuple[Sighting, ...]: ...
    async def known(self, mailbox: str, folder: str, uid_validity: int, uids: Sequence[int]) -> frozenset[int]: ...
    async def at(self, mailbox: str, folder: str, uid_validity: int, uids: Sequence[int]) -> tuple[Sighting, ...]: ...
    async def by_content(
        self, mailbox: str, folder: str, uid_validity: int, content_ids: Sequence[str]
    ) -> tuple[Sighting, ...]: ...


class Runtime(Protocol):
    """Leases, cursors and statuses of mailboxes, and which fetchers live."""

    async def acquire_many(self, mailboxes: Sequence[str], holder: str, ttl: timedelta, most: int) -> Asked: ...
    async def renew_many(self, leases: Mapping[str, Lease], ttl: timedelta) -> dict[str, Lease]: ...
    async def release(self, mailbox: str, lease: Lease) -> None: ...
    async def leases(self) -> dict[str, Lease]: ...
    async def cursor(self, mailbox: str, folder: str) -> Cursor | None: ...
    async def save_cursor(self, mailbox: str, lease: Lease, cursor: Cursor) -> bool: ...
    async def reappearance_accepted(self, mailbox: str) -> bool: ...
    async def settle_reappearance(self, mailbox: str) -> None: ...
    async def set_status(self, mailbox: str, status: MailboxStatus) -> None: ...
    async def standings(self, mailboxes: Sequence[str]) -> dict[str, Standing]: ...
    async def set_status_of(self, mailbox: str, lease: Lease, status: MailboxStatus) -> bool: ...
    async def announce(self, fetcher_id: str, ttl: timedelta) -> None: ...
    async def live_fetchers(self) -> tuple[str, ...]: ...
    async def retire(self, fetcher_id: str) -> None: ...


class WishStore(Protocol):
    """What people ask of whoever reads a mailbox."""

    async def open(self) -> dict[str, Wishes]: ...
    async def of_many(self, mailboxes: Iterable[str]) -> dict[str, Wishes]: ...
    async def note(self, mailbox: str, lease: Lease, wish: Reading | OldMail) -> bool: ...


class Books(Protocol):
    """The repositories of the store that the fetcher uses."""

    @property
    def secrets(self) -> Secrets: ...
    @property
    def sign_ins(self) -> SignIns: ...
    @property
    def ledger(self) -> Ledger: ...
    @property
    def raw(self) -> RawStore: ...
    @property
    def fading(self) -> Fading: ...
    @property
    def sightings(self) -> Sightings: ...
    @property
    def runtime(self) -> Runtime: ...
    @property
    def wishes(self) -> WishStore: ...
