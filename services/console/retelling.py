"""Makes events again from what the store keeps: the same ids and the same content as the first time.

What cannot be made again: the quarantine of a mail that was replayed since (the books keep the last failure of a mail
only while it stands). Must never invent: an event is made by the very function that made it first.
"""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import datetime

from shared.contracts.events import (
    MAIL_QUARANTINED,
    MAIL_REJECTED,
    TICKET_CREATED,
    TICKET_DUPLICATE_COUNTED,
    mail_quarantined,
    mail_rejected,
    ticket_created,
    ticket_duplicate_counted,
)
from shared.domain.decision import Kind
from shared.domain.ledger import LedgerEntry
from shared.domain.ticket import OutboxEvent
from shared.store.client import Store

Events = AsyncIterator[OutboxEvent]


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


async def _counted(store: Store, source: str, since: datetime) -> Events:
    async for entries in _by_hundreds(store.ledger.decided_since(Kind.DUPLICATE, since)):
        ids = {one.decision.ticket_id for one in entries if one.decision and one.decision.ticket_id}
        tickets = await store.tickets.get_many(ids)
        for one in entries:
            ticket = tickets.get(one.decision.ticket_id or "") if one.decision else None
            if ticket is not None and one.decision is not None and one.mail_id in ticket.duplicates:
                at = one.decision.decided_at
                yield ticket_duplicate_counted(ticket, one.mail_id, one.origin.internal_date, at, source)


async def _rejected(store: Store, source: str, since: datetime) -> Events:
    async for one in store.ledger.decided_since(Kind.REJECTED, since):
        if one.decision is not None:
            origin = one.origin
            yield mail_rejected(
                one.mail_id, origin.mailbox, one.headline.message_id, origin.internal_date, one.decision, source
            )


async def _quarantined(store: Store, source: str, since: datetime) -> Events:
    async for one in store.ledger.quarantined_since(since):
        if one.failure is not None:
            yield mail_quarantined(one, one.failure, source)


async def _by_hundreds(entries: AsyncIterator[LedgerEntry]) -> AsyncIterator[list[LedgerEntry]]:
    held: list[LedgerEntry] = []
    async for one in entries:
        held.append(one)
        if len(held) == 100:
            yield held
            held = []
    if held:
        yield held


RETELLERS: dict[str, Callable[[Store, str, datetime], Events]] = {
    TICKET_CREATED: _created,
    TICKET_DUPLICATE_COUNTED: _counted,
    MAIL_REJECTED: _rejected,
    MAIL_QUARANTINED: _quarantined,
}
"""Every kind of event that can be told again, in the order in which they are."""
