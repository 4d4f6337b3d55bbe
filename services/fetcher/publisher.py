"""The port `Publisher` on the broker: fetched mails on their way to the filter."""

from collections.abc import Sequence
from typing import Protocol

from shared.broker import topology
from shared.contracts.codec import Envelope, encode
from shared.contracts.messages import EmailFetched


class Broker(Protocol):
    """The part of the broker door that is used here."""

    async def publish(self, exchange: str, key: str, envelopes: Sequence[Envelope]) -> None: ...


class MailPublisher:
    """Publishes bursts, confirmed."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker

    async def publish_fetched(self, messages: Sequence[EmailFetched]) -> None:
        """All of them, in one burst. Raises BrokerUnavailable."""
        if messages:
            await self._broker.publish(topology.MAIL, EmailFetched.TYPE, [encode(one) for one in messages])
