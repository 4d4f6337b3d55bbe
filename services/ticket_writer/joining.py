"""Whether a mail joins a ticket that is there: what it repeats weighed against the conversation it belongs to. Pure."""

from datetime import datetime

from services.ticket_writer.conversation import Belonging, End
from services.ticket_writer.decide import appends, repeats
from shared.contracts.messages import EmailClassified
from shared.domain.decision import Decision
from shared.domain.ticket import Ticket


def joins(mail: EmailClassified, belonging: Belonging, original: Ticket | None, now: datetime) -> Decision | None:
    """The decision that a mail joins a ticket: that of the mail it repeats (`original`), or the one it belongs to. A
    repeat of a mail elsewhere goes where it belongs. None if it opens a ticket of its own, or waits."""
    if original is not None and (belonging.ticket is None or belonging.ticket.ticket_id == original.ticket_id):
        return repeats(mail, original, now)
    if belonging.ticket is not None:
        return appends(mail, belonging.ticket, note=belonging.end is End.NOTE, now=now)
    return None
