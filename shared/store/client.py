"""The store: one connection pool, one attribute per repository."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Self

from motor.motor_asyncio import AsyncIOMotorClient
from pymongo.errors import ConfigurationError as DriverConfigurationError
from pymongo.errors import InvalidName

from shared.domain.errors import ConfigurationError, StoreUnavailable
from shared.observability.metrics import Metrics
from shared.store.api_tokens import ApiTokens
from shared.store.articles import Articles
from shared.store.audit import Audit
from shared.store.budgets import BudgetCounts
from shared.store.catalogue import CatalogueStore
from shared.store.collection import Client, Collection
from shared.store.config import Config
from shared.store.counters import Counters
from shared.store.counting import CountedCommands
from shared.store.dead_messages import DeadMessages
from shared.store.drafts import Drafts
from shared.store.encryption import Vault
from shared.store.erasing import Erasing
from shared.store.fading import Fading
from shared.store.failures import speaking
from shared.store.fingerprints import Fingerprints
from shared.store.idempotency import IdempotencyKeys
from shared.store.invitations import Invitations
from shared.store.keys import Keyring
from shared.store.ledger import Ledger
from shared.store.mail_search import MailSearch
from shared.store.mailbox_versions import MailboxVersions
from shared.store.mailboxes import Mailboxes
from shared.store.mark_keys import MarkKeys
from shared.store.outbound import OutboundMails
from shared.store.ports import Clock
from shared.store.rates import Rates
from shared.store.raw import RawMails
from shared.store.rotation import Rotation
from shared.store.runtime import Runtime
from shared.store.secrets import Secrets
from shared.store.sending import Sending
from shared.store.sessions import Sessions
from shared.store.settings import StoreSettings
from shared.store.sightings import Sightings
from shared.store.sign_in_requests import SignInRequests
from shared.store.sign_ins import SignIns
from shared.store.statistics import Statistics
from shared.store.ticket_search import TicketSearch
from shared.store.tickets import Tickets
from shared.store.users import Users
from shared.store.wishes import WishStore
from shared.store.words import MailWords

_SCHEMES = ("mongodb://", "mongodb+srv://")
_NO_ENVIRONMENT: Mapping[str, str] = MappingProxyType({})


class Store:
    """The MongoDB-compatible store. Made by `open`, which proves that it answers."""

    def __init__(self, client: Client, settings: StoreSettings, clock: Clock, environ: Mapping[str, str]) -> None:
        self._client = client
        self._database = client[settings.database]
        self._where = address(settings)
        vault = Vault(Keyring.of(settings))
        self.config = Config(self._database)
        self.mailboxes = Mailboxes(self._database, self.config, vault)
        self.secrets = Secrets(self.mailboxes, vault, environ)
        self.rotation = Rotation(self._database, vault)
        self.sign_ins = SignIns(self._database, self.config, vault, clock, self.server_time)
        self.sign_in_requests = SignInRequests(self._database, vault, clock)
        self.catalogue = CatalogueStore(self._database, self.config)
        self.counters = Counters(self._database)
        self.ledger = Ledger(self._database, clock)
        self.mail_search = MailSearch(self._database)
        self.raw = RawMails(self._database, clock, settings.raw_inline_max)
        self.fading = Fading(self._database, self.raw)
        self.erasing = Erasing(self._database)
        self.sightings = Sightings(self._database)
        self.fingerprints = Fingerprints(self._database)
        self.tickets = Tickets(self._database)
        self.words = MailWords(self._database)
        self.statistics = Statistics(self._database)
        self.ticket_search = TicketSearch(self._database)
        self.articles = Articles(self._database)
        self.mark_keys = MarkKeys(self._database)
        self.outbound = OutboundMails(self._database, self.server_time)
        self.sending = Sending(self._database, self.server_time)
        self.budgets = BudgetCounts(self._database)
        self.runtime = Runtime(self._database, self.server_time)
        self.wishes = WishStore(self._database)
        self.dead_messages = DeadMessages(self._database, clock)
        self.versions = MailboxVersions(self._database)
        self.audit = Audit(self._database, clock)
        self.api_tokens = ApiTokens(self._database, clock)
        self.users = Users(self._database, clock)
        self.sessions = Sessions(self._database, clock)
        self.invitations = Invitations(self._database, clock)
        self.drafts = Drafts(self._database, vault, clock)
        self.idempotency = IdempotencyKeys(self._database, clock)
        self.rates = Rates(self._database, clock)

    @classmethod
    async def open(
        cls,
        settings: StoreSettings,
        *,
        clock: Clock,
        environ: Mapping[str, str] = _NO_ENVIRONMENT,
        metrics: Metrics | None = None,
    ) -> Self:
        """Connect. `environ` is where secrets of the source `env` are looked up; `metrics` count the commands.

        Raises StoreUnavailable if nothing answers in time, ConfigurationError for a URL that is none.
        """
        store = cls(_client(settings, metrics), settings, clock, environ)
        try:
            await store.ping()
        except StoreUnavailable as error:
            await store.close()
            raise _unanswered(error, settings) from None
        return store

    async def close(self) -> None:
        """Give the connections back."""
        self._client.close()

    async def ping(self) -> None:
        """One round trip. Raises StoreUnavailable."""
        with speaking(self._where):
            await self._client.admin.command("ping")

    async def server_time(self) -> datetime:
        """What the server's clock says, UTC."""
        with speaking(self._where):
            answer = await self._client.admin.command("hello")
        local: datetime = answer["localTime"]
        return local.astimezone(UTC)

    def collection(self, name: str) -> Collection:
        """A collection by name; for indexes and tests."""
        return Collection(self._database, name)


def _client(settings: StoreSettings, metrics: Metrics | None) -> Client:
    milliseconds = int(settings.timeout_seconds * 1000)
    url = settings.url.get_secret_value()
    try:
        if not url.startswith(_SCHEMES):
            raise ValueError(url)
        return AsyncIOMotorClient(
            url,
            w="majority",
            journal=True,
            tz_aware=True,
            tzinfo=UTC,
            retryWrites=False,
            appname="mail-automator",
            event_listeners=[CountedCommands(metrics)] if metrics is not None else [],
            serverSelectionTimeoutMS=milliseconds,
            connectTimeoutMS=milliseconds,
            socketTimeoutMS=max(milliseconds, 30_000),
        )
    except (DriverConfigurationError, InvalidName, ValueError):
        remedy = "write it as mongodb://user:password@host:port/, special characters percent-encoded"
        raise ConfigurationError(
            "the URL of the store is not valid", where="MAIL_AUTOMATOR_STORE_URL", remedy=remedy
        ) from None


def address(settings: StoreSettings) -> str:
    """Where the store is, as host:port, without user and password."""
    rest = settings.url.get_secret_value().partition("://")[2].rpartition("@")[2]
    return re.split(r"[/?]", rest, maxsplit=1)[0] or "store"


def _unanswered(error: StoreUnavailable, settings: StoreSettings) -> StoreUnavailable:
    if error.code == "store_refused":
        return error
    what = f"the store did not answer within {settings.timeout_seconds:g} s"
    remedy = "start it, or set MAIL_AUTOMATOR_STORE_URL to where it is"
    return StoreUnavailable(what, where=address(settings), remedy=remedy)
