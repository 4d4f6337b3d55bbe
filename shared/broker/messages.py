"""What goes out to the broker and what comes in, in terms of envelopes."""

from dataclasses import dataclass, replace
from typing import Protocol

from aio_pika.abc import AbstractIncomingMessage
from aio_pika.exceptions import AMQPError

from shared.broker.topology import TICKETS
from shared.contracts.codec import Envelope, Header
from shared.contracts.events import REPLAYED, envelope
from shared.domain.ticket import OutboxEvent


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One message to publish. A `mandatory` one must reach a queue; an event may have no subscriber."""

    exchange: str
    key: str
    envelope: Envelope
    mandatory: bool = True


def owed(event: OutboxEvent) -> Outgoing:
    """An event on its way to whoever listens; nobody need."""
    return Outgoing(TICKETS, event.routing_key, envelope(event), mandatory=False)


def again(event: OutboxEvent) -> Outgoing:
    """An event that somebody has sent again: the same, but for the header that says so."""
    once = owed(event)
    return replace(once, envelope=replace(once.envelope, headers={**once.envelope.headers, REPLAYED: True}))


class Delivery(Protocol):
    """A message this process holds. Exactly one of `ack`, `reject` and `give_back` ends it.

    None of them raises when the connection is gone: the broker then delivers the message again, and every stage is
    idempotent.
    """

    @property
    def envelope(self) -> Envelope: ...
    @property
    def routing_key(self) -> str: ...
    @property
    def deliveries(self) -> int:
        """How often the broker has delivered it before (quorum queues count)."""
        ...

    async def ack(self) -> None: ...
    async def reject(self) -> None:
        """To the dead letters: it is not of the contract."""
        ...

    async def give_back(self) -> None:
        """Back to the queue, because this process stops."""
        ...


class AmqpDelivery:
    """A Delivery over aio-pika."""

    __slots__ = ("_message", "deliveries", "envelope", "routing_key")

    def __init__(self, message: AbstractIncomingMessage) -> None:
        self._message = message
        headers = message.headers
        count = headers.get("x-delivery-count", 0)
        self.deliveries = count if isinstance(count, int) else 0
        self.routing_key = message.routing_key or ""
        self.envelope = Envelope(
            body=message.body,
            content_type=message.content_type or "",
            type=message.type or "",
            message_id=message.message_id or "",
            headers={key: _plain(value) for key, value in headers.items()},
        )

    async def ack(self) -> None:
        """Done with, for good."""
        try:
            await self._message.ack()
        except (AMQPError, ConnectionError, RuntimeError):
            return  # delivered again by the broker; see Delivery

    async def reject(self) -> None:
        """To the dead letters."""
        try:
            await self._message.reject(requeue=False)
        except (AMQPError, ConnectionError, RuntimeError):
            return  # as in ack

    async def give_back(self) -> None:
        """Back to the queue. `nack`, because RabbitMQ 4.3 does not count it toward the delivery limit."""
        try:
            await self._message.nack(requeue=True)
        except (AMQPError, ConnectionError, RuntimeError):
            return  # as in ack


def _plain(value: object) -> Header:
    if isinstance(value, str | int | bool):
        return value
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
