"""The last events, made again from what the store keeps (an event is not kept once it is published), newest first."""

from collections.abc import Iterable

from shared.contracts.events import mail_quarantined, mail_rejected, ticket_created
from shared.domain.decision import Kind
from shared.domain.ledger import LedgerEntry
from shared.domain.ticket import OutboxEvent
from shared.store.client import Store
from shared.store.ledger_documents import QUARANTINED


async def latest(store: Store, source: str, limit: int) -> tuple[OutboxEvent, ...]:
    """The last events of tickets that were opened, and of mails that were rejected or quarantined."""
    events = [ticket_created(one, source) for one in await store.tickets.list(limit=limit)]
    events += _rejections(await store.ledger.newest_as(Kind.REJECTED.value, limit), source)
    for one in await store.ledger.newest_as(QUARANTINED, limit):
        if one.failure is not None:
            events.append(mail_quarantined(one, one.failure, source))
    return tuple(sorted(events, key=lambda one: str(one.event["time"]), reverse=True)[:limit])


def _rejections(entries: Iterable[LedgerEntry], source: str) -> list[OutboxEvent]:
    return [
        mail_rejected(
            one.mail_id, one.origin.mailbox, one.headline.message_id, one.origin.internal_date, one.decision, source
        )
        for one in entries
        if one.decision is not None
    ]
