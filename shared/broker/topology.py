"""THE table of exchanges, queues and keys. Names anywhere else come from here.

Queue arguments are immutable in RabbitMQ, so only what correctness needs is an argument; limits such as
`max-length` belong in a policy. Works on RabbitMQ 3.10 to 4.x.
"""

from dataclasses import dataclass, field
from typing import Final

from shared.contracts.messages import EmailAccepted, EmailClassified, EmailFetched

MAIL: Final = "mail"
TICKETS: Final = "tickets"
DEAD: Final = "mail.dead"
CONFIG: Final = "config"

DELIVERY_LIMIT: Final = 20
"""Redeliveries after which a quorum queue dead-letters a message. High, because innocents that a killed consumer held
are counted too; the ledger's own attempt count is the finer judge."""


@dataclass(frozen=True, slots=True)
class Exchange:
    """A durable exchange."""

    name: str
    kind: str


@dataclass(frozen=True, slots=True)
class Queue:
    """A durable quorum queue bound to one exchange by one key."""

    name: str
    exchange: str
    key: str
    arguments: dict[str, str | int] = field(default_factory=dict[str, str | int])


_STAGE: dict[str, str | int] = {
    "x-queue-type": "quorum",
    "x-dead-letter-exchange": DEAD,
    "x-dead-letter-strategy": "at-least-once",
    "x-overflow": "reject-publish",
    "x-delivery-limit": DELIVERY_LIMIT,
}

_LISTENER: dict[str, str | int] = {name: _STAGE[name] for name in _STAGE if name != "x-overflow"}
"""As a stage's, but never refusing: what listens to events must not hold up the tickets they tell of."""

EXCHANGES = (
    Exchange(MAIL, "direct"),
    Exchange(TICKETS, "topic"),
    Exchange(DEAD, "fanout"),
    Exchange(CONFIG, "fanout"),
)

FILTER = Queue("mail.filter", MAIL, EmailFetched.TYPE, _STAGE)
CLASSIFIER = Queue("mail.classifier", MAIL, EmailAccepted.TYPE, _STAGE)
TICKET_WRITER = Queue("mail.ticket_writer", MAIL, EmailClassified.TYPE, _STAGE)
NOTIFIER = Queue("tickets.notifier", TICKETS, "ticket.created.#", _LISTENER)
DEAD_LETTERS = Queue("mail.dead_letters", DEAD, "", {"x-queue-type": "quorum"})

QUEUES = (FILTER, CLASSIFIER, TICKET_WRITER, NOTIFIER, DEAD_LETTERS)
