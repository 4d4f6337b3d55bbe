"""The last events, made again from what the store keeps (an event is not kept once it is published), newest first."""

from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple

from shared.contracts.events import (
    mail_quarantined,
    mail_rejected,
    ticket_created,
    ticket_duplicate_counted,
    ticket_replied,
)
from shared.domain.decision import Kind
from shared.domain.ledger import LedgerEntry
from shared.domain.ticket import Appended, OutboxEvent, Ticket
from shared.store.client import Store
from shared.store.ledger_documents import QUARANTINED

OWED_LIMIT = 1_000
"""Events owed are counted up to this many."""


class Owed(NamedTuple):
    """Events that are owed: how many, up to OWED_LIMIT of each kind, and when the first of them happened."""

    events: int
    since: datetime | None


async def latest(store: Store, source: str, limit: int) -> tuple[OutboxEvent, ...]:
    """The last events of each kind: tickets opened, replied to and repeated, mails rejected and quarantined."""
    events = [ticket_created(one, source) for one in await store.tickets.list(limit=limit)]
    replies = await store.articles.newest(limit)
    repeats = await store.ledger.newest_as(Kind.DUPLICATE.value, limit)
    named = {one.ticket_id for one in replies} | {_ticket_of(one) for one in repeats}
    tickets = {one.ticket_id: one for one in await store.tickets.heads(named)}
    events += _replies(replies, tickets, source)
    events += _repeats(repeats, tickets, source)
    events += _rejections(await store.ledger.newest_as(Kind.REJECTED.value, limit), source)
    for one in await store.ledger.newest_as(QUARANTINED, limit):
        if one.failure is not None:
            events.append(mail_quarantined(one, one.failure, source))
    return tuple(sorted(events, key=lambda one: str(one.event["time"]), reverse=True)[:limit])


async def owed(store: Store, now: datetime) -> Owed:
    """The events that were not published yet."""
    owing = (store.tickets, store.articles, store.ledger)
    events = [event for one in owing for _, event in await one.pending_outbox(now, OWED_LIMIT)]
    return Owed(len(events), min((datetime.fromisoformat(one.event["time"]) for one in events), default=None))


def _ticket_of(one: LedgerEntry) -> str:
    return (one.decision.ticket_id if one.decision else None) or ""


def _replies(replies: Iterable[Appended], tickets: dict[str, Ticket], source: str) -> list[OutboxEvent]:
    return [
        ticket_replied(tickets[one.ticket_id], one.article, one.at, reopened=one.reopened, source=source)
        for one in replies
        if one.ticket_id in tickets
    ]


def _repeats(repeats: Iterable[LedgerEntry], tickets: dict[str, Ticket], source: str) -> list[OutboxEvent]:
    found = [(one, one.decision, tickets.get(_ticket_of(one))) for one in repeats]
    return [
        ticket_duplicate_counted(ticket, one.mail_id, one.origin.internal_date, decision.decided_at, source)
        for one, decision, ticket in found
        if decision is not None and ticket is not None and one.mail_id in ticket.duplicates
    ]


def _rejections(entries: Iterable[LedgerEntry], source: str) -> list[OutboxEvent]:
    return [
        mail_rejected(
            one.mail_id, one.origin.mailbox, one.headline.message_id, one.origin.internal_date, one.decision, source
        )
        for one in entries
        if one.decision is not None
    ]
