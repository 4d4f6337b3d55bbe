"""The store as it was when a mail was decided, read only: what the ticket writer looks up, without what came later.

A back-test remembers here what became of the mails before: those stand as their trials ended, not as the books say. So
an answer to a mail that would have been rejected finds no ticket.

Not kept, and so not known as it was then: whether a ticket was closed, but for mails whose decision tells it.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from services.console.trial import Trial
from services.ticket_writer.decide import ticket as ticket_of
from shared.domain.decision import Decision, Kind, Reason, Relation
from shared.domain.ledger import KnownMail, LedgerEntry, State
from shared.domain.ticket import Answerable, Ticket, TicketState
from shared.store.client import Store

_LEAST: Final = timedelta(milliseconds=1)
"""What the store tells instants apart by."""


class Past:
    """What was, and what trials made of it."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.ends: dict[str, Decision] = {}
        self.opened: dict[str, Ticket] = {}

    def before(self, entry: LedgerEntry) -> "Then":
        """As it was when the decision on a mail was taken; as it is now for a mail that has none.

        Mails that opened their tickets at the very same instant were decided together, and did not know each other.
        """
        decision = entry.decision
        if decision is None:
            return self._seen(entry, None)
        together = decision.kind is Kind.TICKET
        return self._seen(entry, decision.decided_at - _LEAST if together else decision.decided_at)

    def now(self, entry: LedgerEntry) -> "Then":
        """As it is now, but that this mail has no decision."""
        return self._seen(entry, None)

    def remember(self, entry: LedgerEntry, trial: Trial) -> None:
        """From here on a mail stands as its trial ended."""
        self.ends[entry.mail_id] = trial.decision
        was_opened = entry.decision is not None and entry.decision.kind is Kind.TICKET
        if trial.mail is not None and trial.kind is Kind.TICKET and not was_opened:
            opened = ticket_of(trial.mail, trial.decision, "")
            head = {"articles": (), "outbox": (), "answerable": Answerable()}
            self.opened[opened.ticket_id] = opened.model_copy(update=head)

    def _seen(self, entry: LedgerEntry, at: datetime | None) -> "Then":
        return Then(_Mails(self, entry.mail_id, at), _Heads(self, entry, at))


@dataclass(frozen=True, slots=True)
class _Mails:
    """The books. A mail that was not decided yet is shown in quarantine: nobody waits for it."""

    past: Past
    mail_id: str
    at: datetime | None

    async def get_many(self, mail_ids: Iterable[str]) -> dict[str, LedgerEntry]:
        found = await self.past.store.ledger.get_many(mail_ids)
        return {key: one.model_copy(update=self._then(key, one)) for key, one in found.items()}

    async def of_message_ids(self, message_ids: Sequence[str]) -> tuple[KnownMail, ...]:
        found = await self.past.store.ledger.of_message_ids(message_ids)
        return tuple(one.model_copy(update=self._then(one.mail_id, one)) for one in found)

    def _then(self, mail_id: str, known: LedgerEntry | KnownMail) -> dict[str, object]:
        decision = self.past.ends.get(mail_id, known.decision)
        later = self.at is not None and decision is not None and decision.decided_at > self.at
        if mail_id == self.mail_id or decision is None or later:
            return {"decision": None, "state": State.QUARANTINED}
        return {"decision": decision, "state": State.DONE}


@dataclass(frozen=True, slots=True)
class _Heads:
    """The tickets, without their texts."""

    past: Past
    entry: LedgerEntry
    at: datetime | None

    async def heads(self, ticket_ids: Collection[str], numbers: Collection[str] = ()) -> tuple[Ticket, ...]:
        found = await self.past.store.tickets.heads(ticket_ids, numbers)
        there = tuple(_as_then(one, self.entry.decision) for one in found if self._was_there(one))
        made = (self.past.opened[one] for one in ticket_ids if one in self.past.opened)
        return (*there, *made)

    def _was_there(self, one: Ticket) -> bool:
        end = self.past.ends.get(one.origin_mail_id)
        if end is not None and end.kind is not Kind.TICKET:
            return False
        return one.ticket_id not in self.past.opened and (self.at is None or one.created_at <= self.at)


@dataclass(frozen=True, slots=True)
class Then:
    """What a mail was judged by."""

    ledger: _Mails
    tickets: _Heads


def _as_then(ticket: Ticket, decision: Decision | None) -> Ticket:
    """With the state that the decision on a mail found it in, if it tells."""
    told = _state_told(ticket, decision) if decision is not None else None
    return ticket if told is None else ticket.model_copy(update={"state": told})


def _state_told(ticket: Ticket, decision: Decision) -> TicketState | None:
    if decision.reason is Reason.REPLY_APPENDED and decision.ticket_id == ticket.ticket_id:
        return TicketState.CLOSED if decision.reopens else TicketState.OPEN
    related = decision.related
    if related is not None and related.ticket_id == ticket.ticket_id and related.relation is Relation.FOLLOW_UP:
        return TicketState.CLOSED
    return None
