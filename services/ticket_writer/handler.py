"""Writes decisions, tickets, articles and the events they owe, in the order that survives a kill at any instruction.

Decision by compare-and-set -> closed ticket opened again -> ticket or article with its outbox -> ledger done -> publish
(the consume loop) -> mark published. A duplicate is done only once its event is published: it is owed by the ledger.
A decision that is already there is executed, whoever took it.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from services.ticket_writer import decide
from services.ticket_writer.conversation import Belonging, End, belongs
from services.ticket_writer.effects import Effects
from services.ticket_writer.joining import joins
from services.ticket_writer.lookups import Known, look_up
from services.ticket_writer.ports import Clock, Configuration, Store
from shared.contracts.events import ticket_duplicate_counted
from shared.contracts.messages import EmailClassified
from shared.domain import identity
from shared.domain.decision import Decision, Kind, Step
from shared.domain.errors import OtherMailbox, Permanent, Soon
from shared.domain.ledger import DecisionWrite, LedgerEntry, State
from shared.domain.mailbox import Module, Replies
from shared.domain.marks import Marks
from shared.domain.ticket import Ticket
from shared.observability.crash_points import crash_point
from shared.observability.metrics import Metrics
from shared.runtime.consume.failures import MAX_ATTEMPTS
from shared.runtime.consume.outcome import IN_QUARANTINE, Outcome, Result

PATIENCE = timedelta(minutes=2)
_WAITS = MAX_ATTEMPTS - 3
"""A reply that was put off this often waits no longer: it must not end in quarantine for waiting."""

_SUPERSEDED = Outcome("superseded", "superseded")
"""A message of a mail that was replayed meanwhile: it decides nothing, waits for nothing and takes no number."""


@dataclass(frozen=True, slots=True)
class _Wait:
    """A mail that waits for others. Not `firm`: only because one of them is in the same batch."""

    error: Soon
    awaits: frozenset[str]
    firm: bool = True


@dataclass(slots=True)
class _Round:
    """What one look at some mails gave: decisions that stand, decisions to be written, mails that open something."""

    known: Known
    results: dict[str, Result] = field(default_factory=dict[str, Result])
    waits: dict[str, _Wait] = field(default_factory=dict[str, _Wait])
    standing: dict[str, Decision] = field(default_factory=dict[str, Decision])
    writes: list[DecisionWrite] = field(default_factory=list[DecisionWrite])
    opening: list[tuple[EmailClassified, Belonging]] = field(default_factory=list[tuple[EmailClassified, Belonging]])
    matched: dict[str, Belonging] = field(default_factory=dict[str, Belonging])


class TicketWriter:
    """The handler of email.classified."""

    def __init__(
        self,
        store: Store,
        configuration: Configuration,
        marks: Marks,
        clock: Clock,
        metrics: Metrics,
        event_source: str,
        patience: timedelta = PATIENCE,
    ) -> None:
        self._store = store
        self._configuration = configuration
        self._marks = marks
        self._clock = clock
        self._metrics = metrics
        self._source = event_source
        self._patience = patience
        self._effects = Effects(store, configuration, marks, event_source)
        for module in Module:
            metrics.tickets_created.labels(module.value)  # shown as 0, so that the first one is an increase

    async def handle(self, messages: Sequence[EmailClassified]) -> Sequence[Result]:
        """Decide and write, in rounds: what waits for a mail of its own batch is looked at again once that has its
        ticket. What still waits in the end, and only for its batch, goes on without."""
        unique = {mail.mail_id: mail for mail in messages}
        results: dict[str, Result] = {}
        waits: dict[str, _Wait] = {}
        pending, here = list(unique.values()), frozenset(unique)
        while pending:
            found = await self._write(pending, here)
            moved = {mail.mail_id for mail in pending} - found.waits.keys()
            waits = {key: one for key, one in waits.items() if key not in moved} | found.waits
            results |= found.results
            pending = [unique[key] for key, one in waits.items() if one.awaits & moved]
            if not pending and here:
                pending, here = [unique[key] for key, one in waits.items() if not one.firm], frozenset[str]()
        self._metrics.reply_waits.inc(sum(one.error.code == _PARENT_IN_FLIGHT for one in waits.values()))
        results |= {key: one.error for key, one in waits.items()}
        return [results[mail.mail_id] for mail in messages]

    async def settle(self, messages: Sequence[EmailClassified], outcomes: Sequence[Result]) -> None:
        """Note that the events have been published."""
        await self._effects.settle(messages, outcomes)

    async def _write(self, mails: Sequence[EmailClassified], here: frozenset[str]) -> _Round:
        """Judge mails, write what is decided, execute it. `here` are the mails of the batch."""
        found = _Round(await look_up(self._store, self._marks, mails))
        for mail in mails:
            await self._judge(mail, here, found)
        found.writes += await self._open(found)
        if found.writes:
            standing = await self._store.ledger.decide_many(found.writes)
            crash_point("ticket_writer.after_decisions")
            self._count(found, standing)
            found.standing |= standing
        decided = [mail for mail in mails if mail.mail_id in found.standing]
        found.results |= await self._effects.execute(decided, found.standing, found.known.tickets)
        for mail in mails:
            if mail.mail_id not in found.waits:
                found.results.setdefault(mail.mail_id, IN_QUARANTINE)
        return found

    async def _judge(self, mail: EmailClassified, here: frozenset[str], found: _Round) -> None:
        entry = found.known.entries.get(mail.mail_id)
        if entry is None:
            found.results[mail.mail_id] = Permanent("the ledger does not know this mail", code="unknown_mail")
        elif entry.origin.mailbox != mail.mailbox:
            found.results[mail.mail_id] = OtherMailbox("ticket-writer")
        elif entry.state is State.QUARANTINED:
            found.results[mail.mail_id] = IN_QUARANTINE
        elif entry.decision is not None and entry.state is State.STORED:
            # Replayed from quarantine: the decision it had stands again by being written again.
            found.writes.append(_write_of(mail, entry.decision))
        elif entry.decision is not None:
            found.standing[mail.mail_id] = entry.decision
        elif entry.version != mail.decision_version:
            found.results[mail.mail_id] = _SUPERSEDED
        else:
            await self._decide(mail, entry, here, found)

    async def _decide(self, mail: EmailClassified, entry: LedgerEntry, here: frozenset[str], found: _Round) -> None:
        belonging = await self._belonging(mail, entry, here, found.known)
        original = self._original(mail, found.known)
        if isinstance(original, Soon):
            found.waits[mail.mail_id] = _Wait(original, frozenset({mail.duplicate_of or ""}))
        elif (decision := joins(mail, belonging, original, self._now())) is None and belonging.end is End.WAIT:
            found.waits[mail.mail_id] = _Wait(_waiting(mail), belonging.awaits, self._patient(entry))
        elif decision is not None and original is not None and decision.kind is Kind.DUPLICATE:
            found.writes.append(self._repeat(mail, decision, original))
        elif decision is not None:
            found.matched[mail.mail_id] = belonging
            found.writes.append(_write_of(mail, decision, belonging.step))
        else:
            found.opening.append((mail, belonging))

    async def _belonging(
        self, mail: EmailClassified, entry: LedgerEntry, here: frozenset[str], known: Known
    ) -> Belonging:
        mailbox = await self._configuration.mailbox(mail.mailbox)
        to_closed = (mailbox.spec.replies if mailbox else Replies()).to_closed
        return belongs(mail, known.facts(mail.mail_id, to_closed, patient=self._patient(entry), here=here))

    def _original(self, mail: EmailClassified, known: Known) -> Ticket | Soon | None:
        if mail.duplicate_of is None:
            return None
        return decide.original_of(mail, known.entries.get(mail.duplicate_of), known.tickets)

    def _patient(self, entry: LedgerEntry) -> bool:
        return entry.attempts < _WAITS and self._clock.now() - entry.stored_at < self._patience

    def _repeat(self, mail: EmailClassified, decision: Decision, original: Ticket) -> DecisionWrite:
        event = ticket_duplicate_counted(
            original, mail.mail_id, mail.received_at, decision.decided_at, source=self._source
        )
        return _write_of(mail, decision).model_copy(update={"outbox": (event,)})

    async def _open(self, found: _Round) -> list[DecisionWrite]:
        """Decisions for mails that open something, with numbers taken in one step per module."""
        counts = Counter(mail.module for mail, _ in found.opening)
        first = {module: await self._store.counters.take(module.value, count) for module, count in counts.items()}
        if first:
            crash_point("ticket_writer.after_numbers")
        numbers: dict[Module, Iterator[int]] = {
            module: iter(range(first[module], first[module] + n)) for module, n in counts.items()
        }
        now = self._now()
        writes: list[DecisionWrite] = []
        for mail, belonging in found.opening:
            number = identity.number(mail.module.prefix, next(numbers[mail.module]))
            writes.append(_write_of(mail, decide.opens(mail, number, now, belonging.related), belonging.step))
        return writes

    def _count(self, found: _Round, standing: Mapping[str, Decision]) -> None:
        """Count what this writer decided: not what somebody else did, nor what is executed again."""
        for write in found.writes:
            won, ours = standing.get(write.mail_id), write.decision
            belonging = found.matched.get(write.mail_id)
            if won is not None and won.kind is Kind.TICKET and won.number == ours.number:
                self._metrics.tickets_created.labels(ours.module or "").inc()
            elif won == ours and belonging is not None:
                self._metrics.articles_appended.labels(belonging.end.value, belonging.matched_by).inc()

    def _now(self) -> datetime:
        """To the millisecond, as the store keeps it: what is written now and executed later is the same."""
        now = self._clock.now()
        return now.replace(microsecond=now.microsecond // 1000 * 1000)


_PARENT_IN_FLIGHT = "parent_in_flight"


def _waiting(mail: EmailClassified) -> Soon:
    what = "the mail that this one answers is still in flight"
    return Soon(what, where=mail.mailbox, code=_PARENT_IN_FLIGHT)


def _write_of(mail: EmailClassified, decision: Decision, conversation: Step | None = None) -> DecisionWrite:
    """The version is that of the mail's journey: a message from before a replay decides nothing any more."""
    decision = decision.model_copy(update={"version": mail.decision_version})
    return DecisionWrite(mail_id=mail.mail_id, decision=decision, trace=decide.trace(mail, decision, conversation))
