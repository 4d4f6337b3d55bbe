"""Makes events again from what the store keeps: the same ids and the same content as the first time.

What cannot be made again: the quarantine of a mail that was replayed since (the books keep the last failure of a mail
only while it stands), and a rejection that a replay replaced. Must never invent: an event is made by the very function
that made it first.
"""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from shared.contracts.events import (
    MAIL_QUARANTINED,
    MAIL_REJECTED,
    TICKET_CREATED,
    TICKET_DUPLICATE_COUNTED,
    TICKET_REPLIED,
    mail_quarantined,
    mail_rejected,
    ticket_created,
    ticket_duplicate_counted,
    ticket_replied,
)
from shared.domain.decision import Decision, Kind
from shared.domain.ledger import LedgerEntry
from shared.domain.ticket import OutboxEvent, Ticket
from shared.store.client import Store

Events = AsyncIterator[OutboxEvent]
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which events: that happened from `since` on and before `until`, of these types, about this mailbox, whose routing
    key begins with one of these words. Empty and None: all."""

    since: datetime
    until: datetime | None = None
    types: frozenset[str] = frozenset()
    mailbox: str | None = None
    keys: tuple[str, ...] = ()

    def takes(self, event: OutboxEvent) -> bool:
        """Whether it is one of them."""
        happened = datetime.fromisoformat(event.event["time"])
        return (
            self.since <= happened
            and (self.until is None or happened < self.until)
            and self.mailbox in (None, event.event["data"]["mailbox"])
            and (not self.keys or f"{event.routing_key}.".startswith(tuple(f"{one.rstrip('.')}." for one in self.keys)))
        )


async def retold(store: Store, source: str, wanted: Wanted) -> Events:
    """The events, kind by kind, tickets first; within a kind in no order. Holds a few hundred at a time."""
    for kind, tell in RETELLERS.items():
        if not wanted.types or kind in wanted.types:
            async for event in tell(store, source, wanted.since):
                if wanted.takes(event):
                    yield event


async def _created(store: Store, source: str, since: datetime) -> Events:
    async for ticket in store.tickets.since(since):
        yield ticket_created(ticket, source)


async def _replied(store: Store, source: str, since: datetime) -> Events:
    async for articles in _by_hundreds(store.articles.since(since)):
        tickets = await _heads(store, {one.ticket_id for one in articles})
        for one in articles:
            if (ticket := tickets.get(one.ticket_id)) is not None:
                yield ticket_replied(ticket, one.article, one.at, reopened=one.reopened, source=source)


async def _counted(store: Store, source: str, since: datetime) -> Events:
    async for entries in _by_hundreds(_decided(store, Kind.DUPLICATE, since)):
        tickets = await _heads(store, {decision.ticket_id or "" for _, decision in entries})
        for one, decision in entries:
            ticket = tickets.get(decision.ticket_id or "")
            if ticket is not None and one.mail_id in ticket.duplicates:
                received = one.origin.internal_date
                yield ticket_duplicate_counted(ticket, one.mail_id, received, decision.decided_at, source)


async def _rejected(store: Store, source: str, since: datetime) -> Events:
    async for one, decision in _decided(store, Kind.REJECTED, since):
        place, message_id = one.origin, one.headline.message_id
        yield mail_rejected(one.mail_id, place.mailbox, message_id, place.internal_date, decision, source)


async def _quarantined(store: Store, source: str, since: datetime) -> Events:
    async for one in store.ledger.quarantined_since(since):
        if one.failure is not None:
            yield mail_quarantined(one, one.failure, source)


async def _decided(store: Store, kind: Kind, since: datetime) -> AsyncIterator[tuple[LedgerEntry, Decision]]:
    async for one in store.ledger.decided_since(kind, since):
        if one.decision is not None:
            yield one, one.decision


async def _heads(store: Store, ticket_ids: set[str]) -> dict[str, Ticket]:
    return {one.ticket_id: one for one in await store.tickets.heads(ticket_ids)}


async def _by_hundreds(things: AsyncIterator[T]) -> AsyncIterator[list[T]]:
    held: list[T] = []
    async for one in things:
        held.append(one)
        if len(held) == 100:
            yield held
            held = []
    if held:
        yield held


RETELLERS: dict[str, Callable[[Store, str, datetime], Events]] = {
    TICKET_CREATED: _created,
    TICKET_REPLIED: _replied,
    TICKET_DUPLICATE_COUNTED: _counted,
    MAIL_REJECTED: _rejected,
    MAIL_QUARANTINED: _quarantined,
}
"""Every kind of event that can be told again, in the order in which they are."""
