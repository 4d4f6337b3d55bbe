"""Reads what the timeline of a mail is told from. Decides nothing."""

from services.console.moment import Moment
from services.console.timeline import timeline
from shared.domain.decision import Kind
from shared.domain.ledger import LedgerEntry
from shared.store.client import Store


async def history(store: Store, entry: LedgerEntry) -> tuple[Moment, ...]:
    """What happened to a mail, oldest first, with the ticket that it opened, was appended to or counted on."""
    decision = entry.decision
    if decision is None or decision.ticket_id is None:
        return timeline(entry, None)
    ticket = await store.tickets.get(decision.ticket_id)
    article = await store.articles.get(entry.mail_id) if decision.kind is Kind.REPLY else None
    owing = article if decision.kind is Kind.REPLY else ticket if decision.kind is Kind.TICKET else None
    return timeline(entry, ticket, article=article, event_owed=owing is not None and bool(owing.outbox))
