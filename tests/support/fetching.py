"""A fetcher without a broker, for tests: the real store, the real door, and a publisher that keeps what it is given."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

from services.all_in_one.demo.dovecot import Dovecot
from services.fetcher.access import Access
from services.fetcher.cursor import open_cursor
from services.fetcher.follower import Follower
from services.fetcher.free import Free
from services.fetcher.handler import Folder, Limits
from services.fetcher.imap.session import Opener, Patience, Session
from services.fetcher.intake import Intake
from services.fetcher.pace import Pace
from services.fetcher.ports import Belt
from services.fetcher.reappearance import Reappearance
from services.fetcher.renewals import Renewals
from services.fetcher.report import Report
from services.fetcher.troubles import Troubles
from services.fetcher.watch import Tools, Watch
from shared.contracts.messages import EmailFetched
from shared.domain.errors import BrokerUnavailable
from shared.domain.mailbox import Imap, Mailbox
from shared.domain.mailbox_runtime import Lease
from shared.oauth.authorities import Authorities
from shared.oauth.delegated import DelegatedTokens
from shared.oauth.tokens import MicrosoftTokens
from shared.observability.metrics import Metrics
from shared.runtime.clock import Clock
from shared.store.client import Store
from tests.support.imap import PASSWORD, USER, imap_of
from tests.support.scripted_imap import ScriptedImap

TTL = timedelta(seconds=30)
NAME = "support"


class Published:
    """The port `Publisher`: keeps messages, or is away."""

    def __init__(self) -> None:
        self.messages: list[EmailFetched] = []
        self.away = False

    async def publish_fetched(self, messages: Sequence[EmailFetched]) -> None:
        if self.away and messages:
            raise BrokerUnavailable("the broker is away")
        self.messages.extend(messages)

    @property
    def mail_ids(self) -> list[str]:
        return [one.mail_id for one in self.messages]


class ClearBelt:
    """The port `Belt`, with room for everything: nothing takes what was `Published`. Counts what had to ask."""

    batch = 1000

    def __init__(self) -> None:
        self.entered: list[tuple[int, bool]] = []
        self.carried: list[str] = []

    async def enter(self, mails: int, *, few: bool) -> None:
        self.entered.append((mails, few))

    def carries(self, mail_ids: Sequence[str], entered: int, *, few: bool) -> None:
        self.carried += mail_ids


def support_mailbox(
    server: Dovecot, name: str = NAME, user: str = USER, password: str = PASSWORD, **imap: object
) -> Mailbox:
    """A mailbox of this server, everything from its start; `imap` replaces fields."""
    fields = {"start_from": "all", **imap}
    return _mailbox(name, user, imap_of(server, **fields), server.folder, password)


def scripted_mailbox(server: ScriptedImap, folder: Path, name: str = NAME, **imap: object) -> Mailbox:
    """A mailbox of a scripted server; its password lies in `folder`, `imap` replaces fields."""
    return _mailbox(name, USER, server.imap.model_copy(update=imap), folder, PASSWORD)


def _mailbox(name: str, email: str, imap: Imap, folder: Path, password: str) -> Mailbox:
    secret = folder / f"{name}.password"
    secret.write_text(password)
    spec = {
        "module": "ticket",
        "email": email,
        "imap": imap.model_dump(mode="json"),
        "auth": {"type": "basic", "passwordFrom": {"file": str(secret)}},
        "acknowledgements": {"enabled": False},
    }
    return Mailbox.model_validate({"name": name, "spec": spec})


def tools(
    store: Store,
    published: Published,
    limits: Limits | None = None,
    authorities: Authorities | None = None,
    patience: Patience = Patience(connect=10, command=10),  # noqa: B008 - frozen
    belt: Belt | None = None,
) -> Tools:
    """What watches need, with short patience. `authorities` are the identity servers that are allowed."""
    metrics, allowed = Metrics("fetcher", "test"), authorities or Authorities()
    opener, tokens = Opener(patience), MicrosoftTokens(allowed, Clock(), 5)
    people = DelegatedTokens(allowed, Clock(), store.sign_ins, 5)
    return Tools(
        books=store,
        access=Access(opener, store.secrets, tokens, people, metrics),
        intake=Intake(store, published, Clock()),
        belt=belt or ClearBelt(),
        clock=Clock(),
        metrics=metrics,
        limits=limits or Limits(),
        ttl=TTL,
        renewals=Renewals(store.runtime, TTL),
        after_rejection=900,
        reconcile_seconds=6 * 3600,
    )


def follower_of(store: Store, kit: Tools, name: str, watch: type[Watch] = Watch, take_max: int = 50) -> Follower:
    """A follower; nothing runs yet."""
    free = Free(name, store.runtime, kit.clock, kit.ttl)

    def start(mailbox: Mailbox, lease: Lease, asked_at: float) -> Watch:
        return watch(kit, mailbox, lease, asked_at)

    return Follower(name, store.runtime, store.wishes, kit.clock, kit.ttl, free, take_max, start)


@asynccontextmanager
async def following(
    store: Store,
    kit: Tools,
    name: str = "fetcher-1",
    mailboxes: Callable[[], Awaitable[Sequence[Mailbox]]] | None = None,
) -> AsyncIterator[Follower]:
    """A follower that looks at the store's mailboxes ten times a second, stopped at the end."""
    follower = follower_of(store, kit, name)

    async def look_on() -> None:
        while True:
            await follower.look({one.name: one for one in await (mailboxes or store.mailboxes.all)()})
            await asyncio.sleep(0.1)

    looking = asyncio.create_task(look_on())
    try:
        yield follower
    finally:
        looking.cancel()
        await asyncio.gather(looking, return_exceptions=True)
        await follower.stop()


async def lease_of(store: Store, name: str = NAME) -> Lease:
    """A lease for the test."""
    lease = await store.runtime.acquire(name, "test", TTL)
    assert lease is not None
    return lease


async def open_folder(
    session: Session,
    store: Store,
    mailbox: Mailbox,
    published: Published,
    limits: Limits | None = None,
    troubles: Troubles | None = None,
    belt: Belt | None = None,
) -> Folder:
    """The mailbox's folder, selected, with its cursor."""
    kit, lease = tools(store, published, limits, belt=belt), await lease_of(store, mailbox.name)
    selected = await session.select(mailbox.spec.imap.folder)
    cursor = await open_cursor(session, selected, store, mailbox, lease, kit.clock.now)
    report = Report(mailbox.name, store.runtime, kit.clock, kit.metrics)
    return Folder(
        mailbox=mailbox.name,
        books=store,
        intake=kit.intake,
        limits=kit.limits,
        lease=lambda: lease,
        monotonic=kit.clock.monotonic,
        now=kit.clock.now,
        cursor=cursor,
        troubles=(troubles or Troubles(mailbox.name)).under(cursor.validity),
        report=report,
        pace=Pace(kit.limits.bytes_per_hour),
        belt=kit.belt,
        back=Reappearance(mailbox.name, kit.intake, store.runtime, report, kit.limits.reappeared),
    )


async def eventually(ready: Callable[[], Awaitable[bool]], seconds: float = 20) -> None:
    """Wait until it is so."""
    async with asyncio.timeout(seconds):
        while not await ready():
            await asyncio.sleep(0.05)
