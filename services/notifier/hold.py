"""One acknowledgement that this process has claimed: its moves, told to the store, the ticket, metrics and the log."""

import asyncio
from datetime import datetime

import structlog

from services.notifier.decide import Suppressed
from services.notifier.ports import OutboundMails, Tickets
from services.notifier.showing import show
from shared.domain.errors import AutomatorError, Transient
from shared.domain.outbound import Outbound
from shared.domain.ticket import Acknowledgement, AcknowledgementState
from shared.observability.crash_points import crash_point
from shared.observability.metrics import Metrics

log = structlog.get_logger(__name__)

_TRIES, _PAUSE_SECONDS = 8, 2.0


class ClaimLost(AutomatorError):
    """Somebody else has it now, because this process seemed dead."""

    code = "claim_lost"


class Hold:
    """A claimed acknowledgement. `mail` is how it is now, as far as this process knows."""

    def __init__(self, mail: Outbound, outbound: OutboundMails, tickets: Tickets, metrics: Metrics) -> None:
        self.mail = mail
        self._outbound = outbound
        self._tickets = tickets
        self._metrics = metrics

    async def count(self) -> None:
        """Note that the budgets have been asked. Raises ClaimLost, StoreUnavailable."""
        counted = await self._outbound.count(self.mail)
        crash_point("notifier.after_counted")
        if counted is None:
            raise ClaimLost("the claim was lost")
        self.mail = counted

    async def begin_data(self, at: datetime) -> None:
        """Note that the final dot is sent next. Raises ClaimLost, StoreUnavailable: then it must not be sent."""
        status = Acknowledgement(state=AcknowledgementState.DATA_STARTED, sentence="It is being sent.", at=at)
        begun = await self._outbound.move(self.mail, status)
        crash_point("notifier.after_data_started")
        if begun is None:
            raise ClaimLost("the claim was lost")
        self.mail = begun

    async def settle(
        self,
        state: AcknowledgementState,
        code: str,
        sentence: str,
        at: datetime,
        *,
        due_at: datetime | None = None,
        attempts: int | None = None,
    ) -> None:
        """Let go of it in this state. A store that is away is waited for a while; after that the claim runs out."""
        status = Acknowledgement(state=state, code=code, sentence=sentence, at=at)
        moved = await self._moved(status, due_at, attempts)
        crash_point("notifier.after_end")
        if moved is None:
            log.warning("acknowledgement_claim_lost", ticket_id=self.mail.ticket_id, wanted=state.value)
            return
        self.mail = moved
        self._metrics.acknowledgements.labels(state.value, code).inc()
        log.info(
            f"acknowledgement_{state.value}",
            ticket_id=moved.ticket_id,
            mail_id=moved.mail_id,
            mailbox=moved.mailbox,
            reason=code,
        )
        await self._show()

    async def suppress(self, verdict: Suppressed, at: datetime) -> None:
        """It is not sent, and why."""
        await self.settle(AcknowledgementState.SUPPRESSED, verdict.reason.value, verdict.sentence, at)

    async def wait(
        self, code: str, sentence: str, at: datetime, due_at: datetime, *, attempts: int | None = None
    ) -> None:
        """Back to those that wait, until it is due again."""
        await self.settle(AcknowledgementState.PENDING, code, sentence, at, due_at=due_at, attempts=attempts)

    async def _show(self) -> None:
        """Never raises for a store that is away: what is not shown now is shown later."""
        try:
            await show([self.mail], self._outbound, self._tickets)
        except Transient as error:
            log.warning("put_off", work="show", error=error.line())

    async def _moved(self, status: Acknowledgement, due_at: datetime | None, attempts: int | None) -> Outbound | None:
        for attempt in range(_TRIES):
            try:
                for read in self._as_it_may_be():
                    if moved := await self._outbound.move(read, status, due_at=due_at, attempts=attempts):
                        return moved
            except Transient:
                if attempt == _TRIES - 1:
                    raise
                await asyncio.sleep(_PAUSE_SECONDS)
            else:
                return None
        return None

    def _as_it_may_be(self) -> tuple[Outbound, ...]:
        """A store that did not confirm `data_started` may have written it all the same."""
        if self.mail.state is not AcknowledgementState.CLAIMED:
            return (self.mail,)
        begun = self.mail.status.model_copy(update={"state": AcknowledgementState.DATA_STARTED})
        return self.mail, self.mail.model_copy(update={"status": begun, "moves": self.mail.moves + 1})
