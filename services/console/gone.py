"""What is not there any more of a mail, since when and why, in sentences. Pure."""

from collections.abc import Iterator

from services.console.moment import Moment
from shared.domain.ledger import LedgerEntry
from shared.domain.ticket import Ticket

RETENTION, ERASED = "at the end of its retention", "because its sender's personal data was erased"


def erased(ticket: Ticket) -> str:
    """Why a ticket says nothing; empty where it does."""
    if ticket.erased_at is None:
        return ""
    return f"Erased on {ticket.erased_at:%Y-%m-%d}, with what its requester wrote: only its number and place are kept."


def raw_gone(entry: LedgerEntry) -> str:
    """Why there is no raw mail; empty where it should be there."""
    gone = entry.gone
    return f"The raw mail is gone since {gone.raw:%Y-%m-%d}, {_why(entry)}." if gone.raw else ""


def row_gone(entry: LedgerEntry) -> str:
    """Why nothing is told of sender and subject; empty where it is."""
    gone = entry.gone
    return f"Who sent it, and what it was about, is gone since {gone.row:%Y-%m-%d}, {_why(entry)}." if gone.row else ""


def moments(entry: LedgerEntry) -> Iterator[Moment]:
    """As lines of the timeline."""
    gone = entry.gone
    trace = f"What the stages said of it was deleted, {_why(entry)}."
    told = ((raw_gone(entry), "raw", gone.raw), (trace, "trace", gone.trace), (row_gone(entry), "row", gone.row))
    for sentence, part, at in sorted((one for one in told if one[2] is not None), key=lambda one: str(one[2])):
        yield Moment("retention", part, "gone", sentence, at)


def _why(entry: LedgerEntry) -> str:
    return ERASED if entry.gone.erased else RETENTION
