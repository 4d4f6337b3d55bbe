"""Writes decisions, tickets and the events they owe, in the order that survives a kill at any instruction.

Decision by compare-and-set -> ticket with its outbox -> ledger done -> publish (the consume loop) -> mark published.
A decision that is already there is executed, whoever took it.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from services.ticket_writer import decide
from services.ticket_writer.ports import Clock, Counters, Ledger, Tickets
from shared.broker.messages import owed
from shared.contracts.messages import EmailClassified
from shared.domain import identity
from shared.domain.decision import Decision, Kind
from shared.domain.errors import AutomatorError, Permanent, Transient
from shared.domain.ledger import DecisionWrite, State
from shared.domain.mailbox import Module
from shared.domain.ticket import Ticket
from shared.observability.metrics import Metrics
from shared.runtime.consume import Outcome

Result = Outcome | AutomatorError

_IN_QUARANTINE = Outcome("quarantined", "in_quarantine")
"""A message of a mail that was quarantined meanwhile: nothing is done until somebody replays it."""


class TicketWriter:
    """The handler of email.classified."""

    def __init__(
        self, ledger: Ledger, tickets: Tickets, counters: Counters, clock: Clock, metrics: Metrics, event_source: str
    ) -> None:
        self._ledger = ledger
        self._tickets = tickets
        self._counters = counters
        self._clock = clock
        self._metrics = metrics
        self._source = event_source

    async def handle(self, messages: Sequence[EmailClassified]) -> Sequence[Result]:
        """Decide and write. Mails that open tickets go first, so that a repeat finds the ticket of its own batch."""
        unique = {mail.mail_id: mail for mail in messages}
        results: dict[str, Result] = {}
        opening = [mail for mail in unique.values() if mail.duplicate_of is None]
        repeating = [mail for mail in unique.values() if mail.duplicate_of is not None]
        for part in (opening, repeating):
            if part:
                results |= await self._write(part)
        return [results[mail.mail_id] for mail in messages]

    async def settle(self, messages: Sequence[EmailClassified], outcomes: Sequence[Result]) -> None:
        """Note on the tickets that their events have been published."""
        published = [
            identity.ticket_id(mail.mail_id)
            for mail, outcome in zip(messages, outcomes, strict=True)
            if isinstance(outcome, Outcome) and outcome.publish
        ]
        if published:
            await self._tickets.mark_published(published)

    async def _write(self, mails: Sequence[EmailClassified]) -> dict[str, Result]:
        wanted = [mail.mail_id for mail in mails] + [mail.duplicate_of for mail in mails if mail.duplicate_of]
        entries = await self._ledger.get_many(wanted)
        results: dict[str, Result] = {}
        decisions: dict[str, Decision] = {}
        opening: list[EmailClassified] = []
        writes: list[DecisionWrite] = []
        for mail in mails:
            entry = entries.get(mail.mail_id)
            original = decide.original_of(mail, entries.get(mail.duplicate_of)) if mail.duplicate_of else None
            if entry is None:
                results[mail.mail_id] = Permanent("the ledger does not know this mail", code="unknown_mail")
            elif entry.state is State.QUARANTINED:
                results[mail.mail_id] = _IN_QUARANTINE
            elif entry.decision is not None and entry.state is State.STORED:
                # Replayed from quarantine: the decision it had stands again by being written again.
                writes.append(_write_of(mail, entry.decision))
            elif entry.decision is not None:
                decisions[mail.mail_id] = entry.decision
            elif isinstance(original, AutomatorError):
                results[mail.mail_id] = original
            elif original is None:
                opening.append(mail)
            else:
                writes.append(_write_of(mail, decide.repeats(mail, original, self._clock.now())))
        writes += await self._open(opening)
        if writes:
            standing = await self._ledger.decide_many(writes)
            self._count_opened(writes, standing)
            decisions |= standing
        results |= await self._apply([mail for mail in mails if mail.mail_id in decisions], decisions)
        return {mail.mail_id: results.get(mail.mail_id, _IN_QUARANTINE) for mail in mails}

    def _count_opened(self, writes: Sequence[DecisionWrite], standing: Mapping[str, Decision]) -> None:
        """Count what this writer opened: not what somebody else decided, nor what is executed again."""
        for write in writes:
            won, ours = standing.get(write.mail_id), write.decision
            if won is not None and ours.kind is Kind.TICKET and won.number == ours.number:
                self._metrics.tickets_created.labels(ours.module or "").inc()

    async def _open(self, mails: Sequence[EmailClassified]) -> list[DecisionWrite]:
        """Decisions for mails that open something, with numbers taken in one step per module."""
        counts = Counter(mail.module for mail in mails)
        first = {module: await self._counters.take(module.value, count) for module, count in counts.items()}
        numbers: dict[Module, Iterator[int]] = {
            module: iter(range(first[module], first[module] + n)) for module, n in counts.items()
        }
        now = self._clock.now()
        return [
            _write_of(mail, decide.opens(mail, identity.number(mail.module.prefix, next(numbers[mail.module])), now))
            for mail in mails
        ]

    async def _apply(self, mails: Sequence[EmailClassified], decisions: Mapping[str, Decision]) -> dict[str, Result]:
        """Execute decisions, whoever took them; every effect is idempotent."""
        tickets = {
            mail.mail_id: decide.ticket(mail, decisions[mail.mail_id], self._source)
            for mail in mails
            if decisions[mail.mail_id].kind is Kind.TICKET
        }
        if tickets:
            await self._tickets.insert_many(list(tickets.values()))
        pairs = [
            (ticket_id, mail.mail_id)
            for mail in mails
            if decisions[mail.mail_id].kind is Kind.DUPLICATE and (ticket_id := decisions[mail.mail_id].ticket_id)
        ]
        missing = await self._tickets.count_duplicates(pairs) if pairs else frozenset[str]()
        done = [*tickets, *(mail_id for _, mail_id in pairs if mail_id not in missing)]
        if done:
            await self._ledger.mark_done(done)
        return {mail.mail_id: _result(mail, decisions[mail.mail_id], tickets, missing) for mail in mails}


def _result(
    mail: EmailClassified, decision: Decision, tickets: Mapping[str, Ticket], missing: frozenset[str]
) -> Result:
    if mail.mail_id in missing:
        return Transient("the ticket that this mail repeats is not written yet", code="original_not_written")
    ticket = tickets.get(mail.mail_id)
    if ticket is None:
        return Outcome(decision.kind.value, decision.reason.value)
    return Outcome(decision.kind.value, decision.reason.value, tuple(owed(event) for event in ticket.outbox))


def _write_of(mail: EmailClassified, decision: Decision) -> DecisionWrite:
    """The version is that of the mail's journey: a message from before a replay decides nothing any more."""
    decision = decision.model_copy(update={"version": mail.decision_version})
    return DecisionWrite(mail_id=mail.mail_id, decision=decision, trace=decide.trace(mail, decision))
