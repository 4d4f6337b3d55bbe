"""The event that a ticket was created, as it arrives from the exchange. Pure."""

import orjson
from pydantic import BaseModel, ConfigDict, ValidationError

from shared.contracts.codec import Envelope
from shared.contracts.events import TICKET_CREATED, TicketCreatedV1
from shared.domain.errors import MalformedMessage


class _CloudEvent(BaseModel):
    """The part of a CloudEvent that is read; further attributes are somebody else's."""

    model_config = ConfigDict(extra="ignore", hide_input_in_errors=True)

    type: str
    data: TicketCreatedV1


def created(envelope: Envelope) -> TicketCreatedV1:
    """The data of the event. Raises MalformedMessage."""
    try:
        event = _CloudEvent.model_validate(orjson.loads(envelope.body), extra="ignore")
    except (ValidationError, ValueError) as error:
        raise MalformedMessage(f"an event is not of its contract: {type(error).__name__}") from None
    if event.type != TICKET_CREATED:
        raise MalformedMessage(f"{event.type[:60]!r} does not belong to the notifier")
    return event.data
