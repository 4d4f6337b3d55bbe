"""What comes in from the broker, in terms of envelopes, and how it is ended."""

from collections.abc import Iterable, Set

from aio_pika.abc import AbstractIncomingMessage
from aio_pika.exceptions import AMQPError

from shared.contracts.codec import Envelope, Header

_GONE = (AMQPError, ConnectionError, RuntimeError)


class Tags:
    """Which deliveries of one channel are ended. Their tags count up from 1 (AMQP 0-9-1, delivery-tag)."""

    def __init__(self) -> None:
        self._lowest = 1
        """Everything below is ended."""
        self._ended: set[int] = set()

    def end(self, tags: Iterable[int]) -> None:
        """The broker was told of the end of these, some of them perhaps for the second time."""
        self._ended.update(tag for tag in tags if tag >= self._lowest)
        while self._lowest in self._ended:
            self._ended.remove(self._lowest)
            self._lowest += 1

    def ended_up_to(self, tags: Set[int]) -> int:
        """The highest of `tags` up to which nothing is held but they; 0 if there is none. A tag that was never seen
        counts as held, so that no message is ended that nobody looked at."""
        highest, tag = 0, self._lowest
        while tag in tags or tag in self._ended:
            highest = tag if tag in tags else highest
            tag += 1
        return highest


class Delivery:
    """A message this process holds. Exactly one of `acknowledge`, `reject` and `give_back` ends it.

    None of them raises when the connection is gone: the broker then delivers the message again, and every stage is
    idempotent. `deliveries` is how often the broker has delivered it before (quorum queues count).
    """

    __slots__ = ("deliveries", "envelope", "message", "routing_key", "tags")

    def __init__(self, message: AbstractIncomingMessage, tags: Tags) -> None:
        self.message = message
        self.tags = tags
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

    @property
    def tag(self) -> int:
        """Its number on its channel."""
        return self.message.delivery_tag or 0

    async def ack(self, *, multiple: bool = False) -> None:
        """Done with, for good; with all before it on its channel, if `multiple`."""
        try:
            await self.message.ack(multiple=multiple)
        except _GONE:
            return  # delivered again by the broker; see Delivery
        self.tags.end([self.tag])

    async def reject(self) -> None:
        """To the dead letters: it is not of the contract."""
        try:
            await self.message.reject(requeue=False)
        except _GONE:
            return  # as in ack
        self.tags.end([self.tag])

    async def give_back(self) -> None:
        """Back to the queue, because this process stops. `nack`, because RabbitMQ 4.3 does not count it toward the
        delivery limit."""
        try:
            await self.message.nack(requeue=True)
        except _GONE:
            return  # as in ack
        self.tags.end([self.tag])


async def acknowledge(deliveries: Iterable[Delivery]) -> None:
    """Done with, for good: in one frame for each channel, as far as nothing before them on it is held by others."""
    by_channel: dict[Tags, dict[int, Delivery]] = {}
    for one in deliveries:
        by_channel.setdefault(one.tags, {})[one.tag] = one
    for tags, held in by_channel.items():
        highest = tags.ended_up_to(held.keys())
        if highest:
            await held[highest].ack(multiple=True)
            tags.end(tag for tag in held if tag < highest)
        for tag, one in held.items():
            if tag > highest:
                await one.ack()


def _plain(value: object) -> Header:
    if isinstance(value, str | int | bool):
        return value
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
