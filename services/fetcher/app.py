"""Composes the fetcher: every mailbox in one process, any number of replicas."""

import secrets
import socket
from datetime import timedelta

import structlog

from services.fetcher.access import Access
from services.fetcher.belt import TimedBelt
from services.fetcher.follower import Follower
from services.fetcher.free import Free
from services.fetcher.handler import Limits
from services.fetcher.imap.session import Opener, Patience
from services.fetcher.intake import Intake
from services.fetcher.publisher import MailPublisher
from services.fetcher.renewals import Renewals
from services.fetcher.settings import FetcherSettings
from services.fetcher.watch import Tools, Watch
from shared.domain.errors import Transient
from shared.domain.mailbox import Mailbox
from shared.domain.mailbox_runtime import Lease
from shared.oauth.authorities import Authorities
from shared.oauth.delegated import DelegatedTokens
from shared.oauth.settings import OAuthSettings
from shared.oauth.tokens import MicrosoftTokens
from shared.runtime.process import Process
from shared.runtime.settings import read
from shared.runtime.stage import Doors, doors

log = structlog.get_logger(__name__)


async def main(process: Process) -> None:
    """Run until the process drains."""
    settings = read(FetcherSettings, process.environ)
    oauth = read(OAuthSettings, process.environ)
    authorities = Authorities.of(oauth)
    tokens = MicrosoftTokens(authorities, process.clock, oauth.timeout_seconds)
    async with doors(process) as open_doors:
        sign_ins = open_doors.store.sign_ins
        people = DelegatedTokens(authorities, process.clock, sign_ins, oauth.timeout_seconds)
        follower = compose(open_doors, settings, tokens, people)
        try:
            while not process.draining.is_set():
                with process.pulse.at("its mailboxes"):
                    await (_look(open_doors, follower) if process.allowed.is_set() else follower.stop())
                process.beat()
                await process.pause(settings.follow_seconds)
        finally:
            await follower.stop()
            await people.close()
            tokens.close()


def compose(open_doors: Doors, settings: FetcherSettings, tokens: MicrosoftTokens, people: DelegatedTokens) -> Follower:
    """The follower with everything under it."""
    process, store = open_doors.process, open_doors.store
    tools = _tools(open_doors, settings, tokens, people)

    def start(mailbox: Mailbox, lease: Lease, asked_at: float) -> Watch:
        return Watch(tools, mailbox, lease, asked_at)

    name = settings.id or f"{socket.gethostname()}-{secrets.token_hex(4)}"
    free = Free(name, store.runtime, process.clock, tools.ttl)
    return Follower(name, store.runtime, store.wishes, process.clock, tools.ttl, free, settings.take_max, start)


def _tools(open_doors: Doors, settings: FetcherSettings, tokens: MicrosoftTokens, people: DelegatedTokens) -> Tools:
    process, store = open_doors.process, open_doors.store
    largest = settings.mail_bytes_max + settings.batch_bytes
    ttl = timedelta(seconds=settings.lease_seconds)
    patience = Patience(connect=settings.connect_seconds, command=settings.command_seconds, max_literal=largest)
    return Tools(
        books=store,
        access=Access(Opener(patience), store.secrets, tokens, people, process.metrics),
        intake=Intake(store, MailPublisher(open_doors.broker), process.clock, open_doors.event_source, process.tracing),
        belt=TimedBelt(store.ledger, process.clock.monotonic, settings.backlog_seconds, settings.on_the_way_max),
        clock=process.clock,
        metrics=process.metrics,
        limits=Limits(
            batch=settings.batch,
            batch_bytes=settings.batch_bytes,
            mail_bytes=settings.mail_bytes_max,
            reappeared=settings.reappeared_max,
            bytes_per_hour=settings.mailbox_bytes_per_hour,
        ),
        ttl=ttl,
        renewals=Renewals(store.runtime, ttl),
        after_rejection=settings.rejected_seconds,
        reconcile_seconds=settings.reconcile_seconds,
    )


async def _look(open_doors: Doors, follower: Follower) -> None:
    process = open_doors.process
    process.ready("broker", open_doors.broker.connected)
    try:
        await follower.look(open_doors.configuration.snapshot.mailboxes)
        process.ready("store", True)
    except Transient as error:
        process.ready("store", False)
        log.warning("put_off", work="follow", error=error.line())
    process.metrics.mailboxes_read.set(len(follower.mailboxes))
