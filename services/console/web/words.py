"""Codes as people read them, and how they look: ends of mails, states of tickets, acknowledgements. Pure."""

from typing import Final

from services.console.replays import IMPOSSIBLE, outcome
from shared.domain.decision import Kind, Reason, Relation
from shared.domain.ledger import LedgerEntry
from shared.domain.ticket import AcknowledgementState, ArticleKind
from shared.store.ledger_documents import IN_FLIGHT, QUARANTINED

Pill = tuple[str, str]
"""A word or two, and a look."""

OUTCOMES: Final[dict[str, Pill]] = {
    Kind.TICKET.value: ("Ticket", "good"),
    Kind.REPLY.value: ("Reply", "good"),
    Kind.DUPLICATE.value: ("Duplicate", "info"),
    Kind.REJECTED.value: ("Rejected", "warn"),
    QUARANTINED: ("In quarantine", "bad"),
    IN_FLIGHT: ("In flight", "busy"),
    IMPOSSIBLE: ("Not possible", "off"),
}
ACKNOWLEDGEMENTS: Final[dict[AcknowledgementState, Pill]] = {
    AcknowledgementState.PENDING: ("To be sent", "busy"),
    AcknowledgementState.CLAIMED: ("Being sent", "busy"),
    AcknowledgementState.DATA_STARTED: ("Being sent", "busy"),
    AcknowledgementState.SENT: ("Sent", "good"),
    AcknowledgementState.FAILED: ("Failed", "bad"),
    AcknowledgementState.UNKNOWN: ("Perhaps sent", "warn"),
    AcknowledgementState.SUPPRESSED: ("Not sent", "off"),
}
ARTICLES: Final = {
    ArticleKind.ORIGINAL: "First mail",
    ArticleKind.REPLY: "Reply",
    ArticleKind.NOTE: "Note of a machine",
}
RELATIONS: Final = {Relation.POSSIBLE_PARENT: "May belong to", Relation.FOLLOW_UP: "Follow-up of"}
VERDICTS: Final = {
    "passed": "good",
    "stored": "good",
    "written": "good",
    "published": "good",
    "chose": "good",
    "counted": "good",
    "ticket": "good",
    "reply": "good",
    "rejected": "bad",
    "failed": "bad",
    "quarantined": "bad",
    "not_given": "bad",
    "missing": "warn",
    "owed": "warn",
    "waiting": "warn",
}
"""How a moment of the timeline looks, by its verdict; others are plain."""


_PLAIN: Final = frozenset({Reason.TICKET_CREATED, Reason.REPLY_APPENDED, Reason.DUPLICATE_OF})


def words(code: str) -> str:
    """A code as words: `blocked_sender` is "Blocked sender"."""
    return code.replace("_", " ").replace(".", " ").capitalize()


def end(entry: LedgerEntry) -> tuple[Pill, str]:
    """How a mail stands, and the reason in words where there is more to say."""
    kind, reason = outcome(entry)
    return OUTCOMES[kind], words(reason) if reason and reason not in _PLAIN else ""


REASONS: Final = tuple((one.value, words(one.value)) for one in Reason)
