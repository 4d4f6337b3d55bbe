"""Says how a mailbox is: to the store (for console and command line), to metrics, and to the log when it changes."""

from collections.abc import Sequence
from datetime import datetime
from typing import Literal

import structlog

from services.fetcher.errors import AuthenticationRejected, SignInNeeded
from services.fetcher.ports import Clock, Runtime
from shared.contracts.messages import EmailFetched
from shared.domain.errors import AutomatorError, ConfigurationError, Permanent, StoreUnavailable, Transient
from shared.domain.mailbox_runtime import MASS_REAPPEARANCE, MailboxStatus, Phase
from shared.domain.sighting import Sight
from shared.observability.crash_points import crash_point
from shared.observability.metrics import Metrics

log = structlog.get_logger(__name__)

BYTES_OF_THE_HOUR = "bytes_of_the_hour"
"""The code of a status whose mailbox is fetched more slowly than it fills."""
IMPOSSIBLE_UIDS = "impossible_uids"
"""The code of a status whose server names mails by numbers that are no UIDs."""
REFRESH_SECONDS = 15.0
"""How old a status in the store may be whose only news is another successful pass."""


class Report:
    """The reports on one mailbox. None of them raises: work goes on when nobody can be told."""

    def __init__(self, mailbox: str, runtime: Runtime, clock: Clock, metrics: Metrics) -> None:
        self._mailbox = mailbox
        self._runtime = runtime
        self._clock = clock
        self._metrics = metrics
        self._status = MailboxStatus(state=Phase.CONNECTING, since=clock.now())
        self._written_at = float("-inf")
        self._heard = False

    def heard(self) -> bool:
        """Whether the server has given anything, or let a pass come to its end, since this was asked last."""
        heard, self._heard = self._heard, False
        return heard

    async def connecting(self) -> None:
        """A connection is being made; what was wrong before is shown until it stands."""
        if self._status.state in (Phase.CONNECTING, Phase.STOPPED):
            await self._now(Phase.CONNECTING)

    async def connected(self, messages: int, certificate_until: datetime | None) -> None:
        """Logged in, the folder is open and holds so many mails; the server's certificate ends then."""
        self._metrics.mailbox_up.labels(self._mailbox).set(1)
        self._metrics.mailbox_sign_in_needed.labels(self._mailbox).set(0)
        self._metrics.mailbox_auth_rejected.labels(self._mailbox).set(0)
        log.info("mailbox_connected", mailbox=self._mailbox, messages=messages)
        self.expires("certificate", certificate_until)
        told = {"server_messages": messages, "certificate_until": certificate_until}
        self._status = self._status.model_copy(update={"connected_at": self._clock.now(), **told})
        await self._now(Phase.FETCHING)

    async def passed(self, phase: Phase, seconds: float) -> None:
        """A pass is complete; `phase` says how the next mail is waited for."""
        self._heard = True
        now = self._clock.now()
        self._metrics.mailbox_last_success.labels(self._mailbox).set(now.timestamp())
        self._metrics.mailbox_pass_duration.observe(seconds)
        self._metrics.mailbox_lag.labels(self._mailbox).set(0)
        self._status = self._status.model_copy(update={"last_success_at": now})
        await self._now(phase)

    async def waits_for_person(self, mails: int, limit: int) -> None:
        """New mail is taken, but so many mails have come back that a person must say whether they are wanted."""
        self._heard = True
        await self._now(
            Phase.NEEDS_ATTENTION,
            MASS_REAPPEARANCE,
            f"{mails} mails have come back that had arrived before and that we do not know (more than {limit}). New "
            f"mail is taken. -> take them with `mail-automator mailbox accept-reappearance {self._mailbox}`, or move "
            "them to another folder",
        )

    async def names_impossible_uids(self, uids: int) -> None:
        """Other mail is taken, but so many mails are listed under numbers that no mail can be fetched by."""
        self._heard = True
        await self._now(
            Phase.NEEDS_ATTENTION,
            IMPOSSIBLE_UIDS,
            f"The server lists {uids} mails under numbers that cannot be UIDs (0, or more than 32 bits): they cannot "
            "be fetched. Other mail is taken. -> have the server's index of this folder rebuilt",
        )

    async def paced(self, seconds: float) -> None:
        """The mailbox has had its bytes of the hour; more is fetched in so many seconds, or (0) now."""
        self._metrics.mailbox_paced.labels(self._mailbox).set(seconds > 0)
        if not seconds:
            await self._now(Phase.FETCHING)
            return
        log.warning("mailbox_paced", mailbox=self._mailbox, seconds=round(seconds))
        await self._now(
            Phase.FETCHING,
            BYTES_OF_THE_HOUR,
            "It has had its bytes of this hour (MAIL_AUTOMATOR_FETCHER_MAILBOX_BYTES_PER_HOUR). The rest of its mail "
            "waits on the server and is fetched as the hour passes.",
        )

    async def troubled(self, error: AutomatorError, seconds: float) -> None:
        """The connection ended with this error; the next try is in so many seconds."""
        metrics = self._metrics
        metrics.mailbox_up.labels(self._mailbox).set(0)
        metrics.imap_reconnects.labels(error.code).inc()
        if not isinstance(error, StoreUnavailable):
            metrics.mailbox_sign_in_needed.labels(self._mailbox).set(isinstance(error, SignInNeeded))
        if isinstance(error, AuthenticationRejected):
            metrics.mailbox_auth_rejected.labels(self._mailbox).set(1)
            metrics.mailbox_auth_failures.labels(self._mailbox).inc()
        log.warning(
            "mailbox_trouble", mailbox=self._mailbox, code=error.code, error=error.line(), next_try=round(seconds, 1)
        )
        needs = isinstance(error, Permanent | ConfigurationError)
        await self._now(Phase.NEEDS_ATTENTION if needs else Phase.BACKOFF, error.code, error.line())

    async def stopped(self, code: str, sentence: str) -> None:
        """Nobody reads the mailbox now, and why."""
        await self._now(Phase.STOPPED, code, sentence)

    def left(self) -> None:
        """This process does not read the mailbox any more: whoever does speaks for it."""
        metrics = self._metrics
        for gauge in (
            metrics.mailbox_up,
            metrics.mailbox_last_success,
            metrics.mailbox_lag,
            metrics.mailbox_auth_rejected,
            metrics.mailbox_sign_in_needed,
            metrics.mailbox_held,
            metrics.mailbox_paced,
            metrics.oauth_token_expiry,
            metrics.credential_expiry,
        ):
            gauge.remove(self._mailbox)

    def expires(self, what: Literal["certificate", "client_secret"], until: datetime | None) -> None:
        """When something that the mailbox needs ends; None if that is not known here."""
        gauge = self._metrics.credential_expiry
        if until is not None:
            gauge.labels(self._mailbox, what).set(until.timestamp())
        else:
            gauge.remove(self._mailbox, what)

    def lag(self, mails: int) -> None:
        """So many mails are listed and not ours yet."""
        self._metrics.mailbox_lag.labels(self._mailbox).set(mails)

    def sighted(self, state: Sight, mails: int) -> None:
        """So many UIDs are no mail of ours: a hole, gone before it was fetched, or older than the mailbox."""
        self._heard = True
        self._metrics.mailbox_untaken.labels(self._mailbox, state.value).inc(mails)
        if state is Sight.HOLE:
            self._metrics.messages.labels("fetcher", "rejected", "unfetchable").inc(mails)

    def reappeared(self, how: str, mails: int) -> None:
        """So many mails came back, and how that was found."""
        self._metrics.mailbox_reappeared.labels(self._mailbox, how).inc(mails)

    def held(self, mails: int) -> None:
        """So many of them wait for a person."""
        self._metrics.mailbox_held.labels(self._mailbox).set(mails)

    def taken(self, messages: Sequence[EmailFetched]) -> None:
        """These are ours now."""
        self._heard = self._heard or bool(messages)
        now = self._clock.now()
        self._metrics.mails_fetched.labels(self._mailbox).inc(len(messages))
        self._metrics.messages.labels("fetcher", "fetched", "").inc(len(messages))
        age = self._metrics.message_age.labels("fetcher")
        for one in messages:
            if not one.imported:
                age.observe(max(0.0, (now - one.received_at).total_seconds()))
            log.info("fetched", stage="fetcher", mail_id=one.mail_id, mailbox=self._mailbox)

    async def _now(self, state: Phase, code: str = "", sentence: str = "") -> None:
        old = self._status
        changed = (old.state, old.code, old.sentence) != (state, code, sentence)
        since = self._clock.now() if changed else old.since
        self._status = old.model_copy(update={"state": state, "code": code, "sentence": sentence, "since": since})
        monotonic = self._clock.monotonic()
        if not changed and monotonic - self._written_at < REFRESH_SECONDS:
            return
        try:
            await self._runtime.set_status(self._mailbox, self._status)
            crash_point("fetcher.after_status")
            self._written_at = monotonic
        except Transient as error:
            log.warning("status_not_written", mailbox=self._mailbox, error=error.line())
