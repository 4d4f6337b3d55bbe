"""The life of one mailbox in this process: connect, read, wait for mail, and again after whatever goes wrong.

One mailbox per connection and per watch, so that a failing one holds up no other. Runs until it is cancelled or the
lease is lost.
"""

import asyncio
import random
from dataclasses import dataclass
from datetime import timedelta

import structlog

from services.fetcher import decide
from services.fetcher.access import Access
from services.fetcher.aftermath import Aftermath
from services.fetcher.cursor import open_cursor
from services.fetcher.errors import LeaseLost, ProtocolBroken, ServerBroken
from services.fetcher.handler import Folder, Limits
from services.fetcher.intake import Intake
from services.fetcher.leases import LeaseKeeper
from services.fetcher.old_mail import OldMails
from services.fetcher.pace import Pace
from services.fetcher.ports import Belt, Books, Clock, ImapSession, Selected
from services.fetcher.reappearance import Reappearance
from services.fetcher.renewals import Renewals
from services.fetcher.report import Report
from services.fetcher.troubles import Troubles
from services.fetcher.wished import Wished
from shared.domain.errors import AutomatorError, Permanent, Transient
from shared.domain.mailbox import Mailbox
from shared.domain.mailbox_runtime import Lease, Phase
from shared.domain.sign_in import SignIn
from shared.domain.wishes import Reading
from shared.observability.metrics import Metrics

log = structlog.get_logger(__name__)

GOOD_SECONDS = 60.0
"""A session that lasted as long starts the back-off anew."""
LOOK_SECONDS = 2.0
"""How often a mailbox that cannot be opened looks whether a person has signed in."""
IDLE_SECONDS = 9 * 60.0
"""IDLE is renewed at least this often: network address translation and some servers forget sooner than 29 minutes."""
PENDING_SECONDS = (1.0, 15.0)
"""While an after-fetch action is owed, how soon to look again: at first, and at most."""
APART_SECONDS = 0.5
"""Looks at a mailbox begin at least so far apart. A look costs the same whatever it finds: mail that keeps coming is
taken some at a time, and no later than Dovecot would have told of it."""
SMALL = 5000
"""Mails up to which every reconnect looks at the whole folder."""


@dataclass(frozen=True, slots=True)
class Tools:
    """What every watch of this process shares."""

    books: Books
    access: Access
    intake: Intake
    belt: Belt
    clock: Clock
    metrics: Metrics
    limits: Limits
    ttl: timedelta
    renewals: Renewals
    after_rejection: float
    reconcile_seconds: float


class Watch:
    """One mailbox at one revision, under a lease that was asked for at `asked_at` (monotonic)."""

    def __init__(self, tools: Tools, mailbox: Mailbox, lease: Lease, asked_at: float) -> None:
        self.mailbox = mailbox
        self.report = Report(mailbox.name, tools.books.runtime, tools.clock, tools.metrics)
        self.report.expires("client_secret", mailbox.spec.client_secret_until)
        self._tools = tools
        self._keeper = LeaseKeeper(
            tools.books.runtime, tools.renewals, tools.clock, mailbox.name, lease, tools.ttl, asked_at
        )
        self.wished = Wished(tools.books.wishes, mailbox.name, lambda: self._keeper.lease, tools.clock)
        self._troubles = Troubles(mailbox.name)
        self._pace = Pace(tools.limits.bytes_per_hour)
        self._aftermath = Aftermath(mailbox.spec.imap.after_fetch, tools.books, tools.limits.mail_bytes, tools.clock)
        self._reconciled_at = float("-inf")
        self._good_at = float("inf")
        self._breaks = 0

    async def run(self) -> None:
        """Until cancelled or until the lease is lost; the lease is given back at the end."""
        keeping = asyncio.create_task(self._keeper.keep())
        serving = asyncio.create_task(self._serve())
        try:
            await asyncio.wait({keeping, serving}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            keeping.cancel()
            serving.cancel()
            ends = await asyncio.gather(keeping, serving, return_exceptions=True)
            for end in ends:
                if isinstance(end, AutomatorError):
                    log.warning("mailbox_given_up", mailbox=self.mailbox.name, error=end.line())
            self.report.left()
            await self._keeper.release()

    async def _serve(self) -> None:
        attempt = 0
        clock = self._tools.clock
        while True:
            self._good_at = float("inf")
            signed_in, wish = await self._signed_in(), self.wished.reading
            error = self._judged(await self._connection())
            attempt = 0 if clock.monotonic() - self._good_at > GOOD_SECONDS else attempt
            chance = random.random()  # noqa: S311 - jitter
            seconds = decide.pause(error, attempt, chance, self._tools.after_rejection)
            await self.report.troubled(error, seconds)
            await self._not_read(wish, error)
            await self._rest(error, signed_in, seconds, wish)
            attempt += 1

    def _judged(self, error: AutomatorError) -> AutomatorError:
        """A server that breaks the protocol, gives nothing, and does so again and again is set aside."""
        if self.report.heard():
            self._breaks = 0
        if not isinstance(error, ProtocolBroken):
            return error
        self._breaks += 1
        if self._breaks < decide.BREAKS:
            return error
        return ServerBroken(
            f"{self._breaks} connections in a row ended so: {error.what}",
            where=error.where,
            remedy="see what answers there; the mailbox is tried again once an hour, when it is changed, and when "
            "somebody asks for it to be read",
        )

    async def _not_read(self, wish: Reading | None, error: AutomatorError) -> None:
        """Whoever had asked before this try hears that it failed; one who asked during it gets another try."""
        if wish is not None and wish == self.wished.reading:
            try:
                await self.wished.was_read(wish, error.line())
            except Transient as unavailable:
                log.warning("wish_not_ended", mailbox=self.mailbox.name, error=unavailable.line())

    async def _rest(self, error: AutomatorError, before: SignIn | None, seconds: float, tried: Reading | None) -> None:
        """Until the next try is due, or somebody asks for one. Where only a person can help, a sign-in ends it too."""
        until = self._tools.clock.monotonic() + seconds
        looks = self.mailbox.spec.delegated is not None and isinstance(error, Permanent)
        while (left := until - self._tools.clock.monotonic()) > 0 and self.wished.reading in (None, tried):
            await self.wished.pause(min(left, LOOK_SECONDS) if looks else left)
            now = await self._signed_in() if looks else None
            before = before or now
            if before is not None and now is not None and decide.may_go_on(error, before, now):
                return

    async def _signed_in(self) -> SignIn | None:
        """How a person is signed in; None if nobody has to be, or if the store does not tell now."""
        if self.mailbox.spec.delegated is None:
            return None
        try:
            return await self._tools.books.sign_ins.state(self.mailbox)
        except Transient:
            return None

    async def _connection(self) -> AutomatorError:
        """One connection, from its start to the error that ends it."""
        try:
            await self._connected()
        except LeaseLost:
            raise
        except AutomatorError as error:
            return error
        except Exception as error:
            log.exception("unexpected", mailbox=self.mailbox.name)
            return AutomatorError(f"unexpected {type(error).__name__}", where=self.mailbox.name, code="unexpected")
        return AutomatorError("the connection ended", where=self.mailbox.name)

    async def _connected(self) -> None:
        await self.report.connecting()
        imap = self.mailbox.spec.imap
        session = await self._tools.access.open(self.mailbox)
        try:
            selected = await session.select(imap.folder)
            self._good_at = self._tools.clock.monotonic()
            await self.report.connected(selected.exists, session.certificate_until)
            await self._read(session, selected)
        finally:
            await session.close()

    async def _read(self, session: ImapSession, selected: Selected) -> None:
        folder = await self._folder(session, selected)
        old_mails = OldMails(session, folder, self.wished)
        due = self._reconciled_at + self._tools.reconcile_seconds
        full = selected.exists <= SMALL or self._tools.clock.monotonic() >= due
        soon = PENDING_SECONDS[0]
        told = False
        while True:
            wish = self.wished.reading
            full = full or wish is not None or decide.is_doubtful(folder.cursor)
            began = self._tools.clock.monotonic()
            pending = await self._pass(session, folder, full, told)
            if wish is not None:
                await self.wished.was_read(wish)
            at_once = await old_mails.work()
            soon = min(soon * 2, PENDING_SECONDS[1]) if pending else PENDING_SECONDS[0]
            told = await self._wait(session, 0 if at_once else soon if pending else IDLE_SECONDS)
            if told and (left := began + APART_SECONDS - self._tools.clock.monotonic()) > 0:
                await self.wished.pause(left)
                await session.noop()  # a server lists only what it has told of
            full = self._tools.clock.monotonic() - self._reconciled_at >= self._tools.reconcile_seconds

    async def _folder(self, session: ImapSession, selected: Selected) -> Folder:
        tools, name = self._tools, self.mailbox.name
        lease = self._keeper.lease
        cursor = await open_cursor(session, selected, tools.books, self.mailbox, lease, tools.clock.now)
        return Folder(
            mailbox=name,
            books=tools.books,
            intake=tools.intake,
            limits=tools.limits,
            lease=lambda: self._keeper.lease,
            monotonic=tools.clock.monotonic,
            now=tools.clock.now,
            cursor=cursor,
            troubles=self._troubles.under(cursor.validity),
            report=self.report,
            pace=self._pace,
            belt=tools.belt,
            back=Reappearance(name, tools.intake, tools.books.runtime, self.report, tools.limits.reappeared),
            revision=self.mailbox.revision,
        )

    async def _pass(self, session: ImapSession, folder: Folder, full: bool, told: bool) -> bool:
        """Read what is new, then act on what is final; True if there is a reason to look again soon."""
        clock = self._tools.clock
        started = clock.monotonic()
        found = await folder.read(session, full=full)
        if told and not (found or full) and (folder.cursor.listed or 0) <= SMALL:
            # The server told of mail and none is above the cursor: some give new mail a lower UID.
            await folder.read(session, full=True)
        pending = await self._aftermath.apply(session, folder.place, folder.cursor.baseline_uid)
        if full:
            self._reconciled_at = clock.monotonic()
        if folder.back.held:
            await self.report.waits_for_person(len(folder.back.held), folder.back.limit)
            return True
        if session.impossible:
            await self.report.names_impossible_uids(session.impossible)
            return pending
        phase = Phase.IDLE if "IDLE" in session.capabilities else Phase.POLLING
        await self.report.passed(phase, clock.monotonic() - started)
        return pending

    async def _wait(self, session: ImapSession, longest: float) -> bool:
        """Until the server tells of mail (True), it is time to look anyway, or somebody asks for that."""
        seconds = min(longest, self.mailbox.spec.imap.poll_seconds, IDLE_SECONDS)
        if not seconds or "IDLE" not in session.capabilities:
            await self.wished.pause(seconds)
        elif await session.idle(seconds, self.wished.news):
            return True
        self.wished.news.clear()
        await session.noop()
        return False
