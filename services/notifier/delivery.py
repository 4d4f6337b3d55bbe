"""Sends the acknowledgements that one mailbox owes, one after the other over one connection.

For each: claim, decide again, connect, count the budgets, transfer. `data_started` is in the store before the final dot
is on the wire, and nothing that may have been taken is ever sent again by itself.
"""

import asyncio
import random
from collections.abc import Sequence

import structlog

from services.notifier import decide
from services.notifier.compose import Letter, compose
from services.notifier.decide import Suppressed
from services.notifier.errors import PutOff, Refused, ServerTrouble, Unanswered
from services.notifier.hold import ClaimLost, Hold
from services.notifier.line import Line
from services.notifier.ports import Session
from services.notifier.recipient import organisation
from services.notifier.spans import acknowledging
from services.notifier.tools import ServerClock, Tools
from shared.domain.budgets import Scope
from shared.domain.errors import AutomatorError, StoreUnavailable
from shared.domain.mailbox import Mailbox
from shared.domain.outbound import Outbound, SendingStatus
from shared.domain.ticket import AcknowledgementState
from shared.observability.crash_points import crash_point

log = structlog.get_logger(__name__)


class Delivery:
    """One burst of one mailbox. `hold` is what it is at work on."""

    def __init__(self, tools: Tools, mailbox: str, clock: ServerClock, status: SendingStatus | None) -> None:
        self.hold: Hold | None = None
        self._tools = tools
        self._mailbox = mailbox
        self._clock = clock
        self._line = Line(tools, clock, status)

    async def run(self, due: Sequence[Outbound], draining: asyncio.Event) -> None:
        """Send what is due, until all is done, the server makes trouble, or the process drains."""
        try:
            for mail in due:
                if draining.is_set() or not await self._one(mail):
                    return
        except StoreUnavailable as error:
            log.warning("put_off", work="deliver", mailbox=self._mailbox, error=error.line())
        finally:
            await self._line.close()

    async def _one(self, mail: Outbound) -> bool:
        """Claim one and bring it to an end; False if the next need not be tried. Raises StoreUnavailable."""
        tools = self._tools
        held = await tools.outbound.claim(mail, tools.worker, tools.ttl)
        crash_point("notifier.after_claim")
        if held is None:
            return True
        hold = self.hold = Hold(held, tools.outbound, tools.tickets, tools.metrics)
        with acknowledging(tools.tracing, tools.configuration.snapshot.mailboxes.get(self._mailbox), hold):
            return await self._brought_to_an_end(hold)

    async def _brought_to_an_end(self, hold: Hold) -> bool:
        try:
            return await self._ended(hold)
        except ClaimLost:
            log.warning("acknowledgement_claim_lost", ticket_id=hold.mail.ticket_id)
        except asyncio.CancelledError:
            await self._interrupted(hold, "stopped", "This service was stopped")
            raise
        except StoreUnavailable:
            await self._interrupted(hold, "store_unavailable", "The store was away")
            raise
        except Exception:
            log.exception("unexpected", stage="notifier", ticket_id=hold.mail.ticket_id)
            await self._interrupted(hold, "unexpected", "Something unforeseen happened", again=1)
        finally:
            self.hold = None
        return True

    async def _ended(self, hold: Hold) -> bool:
        """Every way that an acknowledgement can go ends in a state."""
        mailbox = await self._tools.configuration.mailbox(self._mailbox)
        letter = await self._letter(hold.mail, mailbox)
        if isinstance(letter, Suppressed):
            await hold.suppress(letter, self._clock.now())
            return True
        session = await self._line.session(mailbox) if mailbox else None
        if session is None:
            await self._wait_for_mailbox(hold)
            return False
        scope = await self._over_budget(hold, letter)
        if scope is not None:
            await hold.suppress(decide.spent(scope), self._clock.now())
        else:
            await self._transfer(hold, letter, session)
        return True

    async def _letter(self, mail: Outbound, mailbox: Mailbox | None) -> Letter | Suppressed:
        """The mail, if its conditions still hold under today's configuration."""
        tools = self._tools
        ticket = await tools.tickets.get(mail.ticket_id)
        if ticket is None or mailbox is None:
            return decide.gone(mailbox_there=mailbox is not None)
        snapshot = tools.configuration.snapshot
        verdict = decide.decide(ticket, mailbox, decide.Facts(snapshot.own_addresses, mail.taken_at))
        if isinstance(verdict, Suppressed):
            return verdict
        return compose(ticket, mailbox, verdict, tools.marks, snapshot.catalogue, self._clock.now())

    async def _over_budget(self, hold: Hold, letter: Letter) -> Scope | None:
        """Count it, once; which budget is spent, if one is."""
        if hold.mail.counted:
            return None
        tools = self._tools
        domain = organisation(letter.recipient)
        found = await tools.counts.spend(
            tools.budgets, hold.mail.ticket_id, letter.recipient, domain, self._clock.now()
        )
        crash_point("notifier.after_budget")
        if found.refused is None:
            await hold.count()
        elif found.refused is not Scope.ADDRESS:
            tools.metrics.acknowledgement_breaker.labels(found.refused.value).set(1)
            if found.first:
                log.warning("acknowledgement_breaker_open", scope=found.refused.value, domain=domain)
        return found.refused

    async def _transfer(self, hold: Hold, letter: Letter, session: Session) -> None:
        async def before_dot() -> None:
            await hold.begin_data(self._clock.now())

        try:
            words = await session.deliver(letter, before_dot)
        except (PutOff, ServerTrouble) as error:
            self._measure(error)
            await self._put_off(hold, error)
        except Refused as error:
            self._measure(error)
            await hold.settle(AcknowledgementState.FAILED, error.code, error.what, self._clock.now())
        except Unanswered as error:
            self._measure(error)
            sentence = "It was sent, but the server did not say whether it took it."
            await hold.settle(AcknowledgementState.UNKNOWN, error.code, sentence, self._clock.now())
        else:
            await hold.settle(AcknowledgementState.SENT, "sent", f"The server took it: {words}", self._clock.now())
            crash_point("notifier.after_sent")

    async def _put_off(self, hold: Hold, error: AutomatorError) -> None:
        """Once more, later; until it has been tried for a day."""
        now = self._clock.now()
        due = self._tools.waits.of_mail(hold.mail, now, random.random())  # noqa: S311 - jitter
        if due is None:
            sentence = f"It was tried long enough. {error.what}"
            await hold.settle(AcknowledgementState.FAILED, "given_up", sentence, now)
        else:
            await hold.wait(error.code, error.what, now, due, attempts=hold.mail.attempts + 1)

    async def _wait_for_mailbox(self, hold: Hold) -> None:
        """Back, for what is not this mail's trouble."""
        status, now = self._line.status, self._clock.now()
        code = status.code if status else "smtp_trouble"
        sentence = f"Its mailbox cannot send: {status.sentence}" if status else "Its mailbox cannot send."
        if now >= hold.mail.since + self._tools.waits.give_up:
            await hold.settle(AcknowledgementState.FAILED, "given_up", sentence, now)
        else:
            await hold.wait(code, sentence, now, status.retry_at if status else now + self._tools.waits.retry)

    async def _interrupted(self, hold: Hold, code: str, sentence: str, again: int = 0) -> None:
        """Honest whatever happened: what may have been sent is unknown, what was not waits again."""
        now = self._clock.now()
        try:
            if hold.mail.state is AcknowledgementState.DATA_STARTED:
                text = f"{sentence} before the server said whether it took it."
                await hold.settle(AcknowledgementState.UNKNOWN, code, text, now)
            else:
                due = now + self._tools.waits.retry * again
                await hold.wait(code, f"{sentence}.", now, due, attempts=hold.mail.attempts + again)
        except AutomatorError as error:
            log.warning("put_off", work="let_go", ticket_id=hold.mail.ticket_id, error=error.line())

    def _measure(self, error: AutomatorError) -> None:
        self._tools.metrics.smtp_failures.labels(self._mailbox, error.code).inc()
