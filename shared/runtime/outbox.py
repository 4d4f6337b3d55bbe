"""Sends what mails owe the world at once, instead of when the bookkeeper comes by.

Must never say "published" before the broker has confirmed: until then the events stay owed.
"""

from collections.abc import Sequence
from typing import Protocol

from shared.broker.messages import Outgoing, owed
from shared.domain.ticket import OutboxEvent
from shared.observability.crash_points import crash_point


class Debts(Protocol):
    """The ledger, as far as owed events go."""

    async def owed_by(self, mail_ids: Sequence[str]) -> tuple[tuple[str, OutboxEvent], ...]: ...
    async def mark_published(self, mail_ids: Sequence[str]) -> None: ...


class Belt(Protocol):
    """The broker, as far as publishing goes."""

    async def publish_all(self, burst: Sequence[Outgoing]) -> None: ...


async def send_owed(ledger: Debts, broker: Belt, mail_ids: Sequence[str]) -> None:
    """Publish every event that these mails owe, and note it. Raises StoreUnavailable or BrokerUnavailable."""
    debts = await ledger.owed_by(mail_ids) if mail_ids else ()
    await broker.publish_all([owed(event) for _, event in debts])
    if debts:
        crash_point("outbox.after_publish")
        await ledger.mark_published(list(dict.fromkeys(mail_id for mail_id, _ in debts)))
        crash_point("outbox.after_published")
