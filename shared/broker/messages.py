"""What goes out to the broker, in terms of envelopes."""

from dataclasses import dataclass, replace

from shared.broker.topology import TICKETS
from shared.contracts.codec import Envelope
from shared.contracts.events import REPLAYED, envelope
from shared.domain.ticket import OutboxEvent


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One message to publish. A `mandatory` one must reach a queue; an event may have no subscriber."""

    exchange: str
    key: str
    envelope: Envelope
    mandatory: bool = True
    mail_id: str = ""
    """The mail that it is about, where its headers do not say so: an event's do not."""


def owed(event: OutboxEvent) -> Outgoing:
    """An event on its way to whoever listens; nobody need."""
    mail_id = str(event.event.get("correlationid", ""))
    return Outgoing(TICKETS, event.routing_key, envelope(event), mandatory=False, mail_id=mail_id)


def again(event: OutboxEvent) -> Outgoing:
    """An event that somebody has sent again: the same, but for the header that says so."""
    once = owed(event)
    return replace(once, envelope=replace(once.envelope, headers={**once.envelope.headers, REPLAYED: True}))
