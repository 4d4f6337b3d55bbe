"""Lets tickets show how far their acknowledgements are: the ticket first, so that what is not shown is shown later."""

from collections.abc import Sequence

from services.notifier.ports import OutboundMails, Tickets
from shared.domain.outbound import Outbound
from shared.observability.crash_points import crash_point


async def show(mails: Sequence[Outbound], outbound: OutboundMails, tickets: Tickets) -> None:
    """Let the tickets of these show them. Raises StoreUnavailable; repeating it changes nothing."""
    await tickets.show_acknowledgements(mails)
    crash_point("notifier.after_show")
    await outbound.shown(mails)
    crash_point("notifier.after_shown")
