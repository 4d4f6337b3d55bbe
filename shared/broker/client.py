"""The broker door: connect, declare or verify the topology, publish in confirmed bursts, consume in batches.

Two connections: a publisher that the broker blocks must not hold up acknowledgements.
"""

import asyncio
import contextlib
import math
from collections.abc import Sequence
from functools import cached_property, partial
from typing import NamedTuple, Self, cast

import aio_pika
import aiormq
import structlog
from aio_pika.abc import (
    AbstractChannel,
    AbstractIncomingMessage,
    AbstractQueue,
    AbstractRobustConnection,
)
from aio_pika.exceptions import ChannelInvalidStateError, ChannelNotFoundEntity, DeliveryError, PublishError

from shared.broker import topology
from shared.broker.declaring import declare, verify
from shared.broker.delivery import Delivery, Tags
from shared.broker.dialling import TROUBLE, Server, cancellable, dial, place, server
from shared.broker.messages import Outgoing
from shared.broker.settings import BrokerSettings
from shared.broker.spans import sent
from shared.contracts.codec import Envelope
from shared.domain.errors import BrokerUnavailable
from shared.observability.metrics import Metrics
from shared.observability.tracing import Tracing

log = structlog.get_logger(__name__)

LINGER_SECONDS = 0.01
_CLOSE_SECONDS = 2.0


class Fill(NamedTuple):
    """How a queue stands."""

    messages: int
    consumers: int


class Subscription:
    """A consumer of one queue that hands out micro-batches."""

    def __init__(self, queue: AbstractQueue, window: int) -> None:
        self._queue = queue
        self._waiting: asyncio.Queue[Delivery] = asyncio.Queue(maxsize=window * 2)
        self._enough = asyncio.Event()
        self._wanted = math.inf
        self._tag = ""
        self._channel: object = None
        self._tags = Tags()

    async def start(self) -> None:
        """Begin to receive."""
        self._tag = await self._queue.consume(self._take)

    async def _take(self, message: AbstractIncomingMessage) -> None:
        if message.channel is not self._channel:  # the first, and after each reconnection, when tags begin anew
            self._channel, self._tags = message.channel, Tags()
        await self._waiting.put(Delivery(message, self._tags))
        if self._waiting.qsize() >= self._wanted:
            self._enough.set()

    async def batch(self, most: int, wait_seconds: float, linger: float = LINGER_SECONDS) -> list[Delivery]:
        """Up to `most` deliveries, empty after `wait_seconds`.

        Waits for the first, then for `linger` seconds: a fuller batch costs the store fewer writes.
        """
        try:
            async with asyncio.timeout(wait_seconds):
                got = [await self._waiting.get()]
        except TimeoutError:
            return []
        if self._waiting.qsize() < most - 1:
            await asyncio.sleep(linger)
        return [*got, *self._there(most - 1)]

    async def full_batch(self, most: int, wait_seconds: float) -> list[Delivery]:
        """`most` deliveries as soon as so many are waiting; after `wait_seconds` what there is."""
        self._wanted = most
        if self._waiting.qsize() < most:
            self._enough.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(wait_seconds):
                    await self._enough.wait()
        return self._there(most)

    def _there(self, most: int) -> list[Delivery]:
        return [self._waiting.get_nowait() for _ in range(min(most, self._waiting.qsize()))]

    async def stop(self) -> None:
        """Receive nothing more, and give back what was not handed out yet."""
        try:
            await self._queue.cancel(self._tag, timeout=5)
        except TROUBLE:
            log.debug("consumer_was_gone")
        while not self._waiting.empty():
            await self._waiting.get_nowait().give_back()


class Broker:
    """An open door to RabbitMQ. Use `Broker.connect`."""

    def __init__(self, settings: BrokerSettings, metrics: Metrics, tracing: Tracing | None = None) -> None:
        self._settings = settings
        self._metrics = metrics
        self._tracing = tracing
        self._connections: list[AbstractRobustConnection] = []
        self._publishing: AbstractChannel | None = None
        for exchange in topology.EXCHANGES:
            for result in ("confirmed", "failed"):
                metrics.publishes.labels(exchange.name, result)  # shown as 0, so that the first one is an increase

    @classmethod
    async def connect(cls, settings: BrokerSettings, metrics: Metrics, tracing: Tracing | None = None) -> Self:
        """Connect, trying again until the deadline of the settings; then declare or verify the topology.

        Raises BrokerUnavailable (host and port, never credentials) or ConfigurationError.
        """
        broker = cls(settings, metrics, tracing)
        try:
            await broker._open()
        except BaseException:
            await broker.close()
            raise
        return broker

    @cached_property
    def server(self) -> Server:
        """Host and port, for spans."""
        return server(self._settings)

    @property
    def where(self) -> str:
        """Host and port, for messages to people."""
        return place(self._settings)

    @property
    def connected(self) -> bool:
        """Whether both connections are up at this moment."""
        return bool(self._connections) and all(one.connected.is_set() for one in self._connections)

    async def _open(self) -> None:
        self._connections = [await dial(self._settings, "publish")]
        self._connections.append(await dial(self._settings, "consume"))
        self._publishing = await self._connections[0].channel(publisher_confirms=True, on_return_raises=True)
        await self._topology()

    async def _topology(self) -> None:
        put_or_look = declare if self._settings.topology == "declare" else verify
        await put_or_look(self._connections[0], self.where)

    async def publish(self, exchange: str, key: str, envelopes: Sequence[Envelope]) -> None:
        """Publish a burst with one key; see `publish_all`."""
        await self.publish_all([Outgoing(exchange, key, envelope) for envelope in envelopes])

    async def publish_all(self, burst: Sequence[Outgoing]) -> None:
        """Publish a burst, persistent; returns when the broker has confirmed every message.

        Raises BrokerUnavailable if any was not confirmed (it may have arrived all the same) or, being mandatory,
        reached no queue.
        """
        if not burst:
            return
        started = asyncio.get_running_loop().time()
        send = self._send if self._tracing is None else self._send_traced
        results = await asyncio.gather(
            send(burst[0], drained=True), *(send(one) for one in burst[1:]), return_exceptions=True
        )
        self._metrics.publish_duration.observe(asyncio.get_running_loop().time() - started)
        trouble: BaseException | None = None
        for one, result in zip(burst, results, strict=True):
            failed = isinstance(result, BaseException)
            self._metrics.publishes.labels(one.exchange, "failed" if failed else "confirmed").inc()
            trouble = result if failed else trouble
        if isinstance(trouble, (PublishError, ChannelNotFoundEntity)):
            await self._restore()
        if trouble is not None:
            self._raise(trouble)

    async def _restore(self) -> None:
        """A message reached no queue, or its exchange is gone: somebody deleted it, or the broker lost its data.
        Declare all anew where the topology is ours; what was lost with it is put back by the bookkeeper."""
        if self._settings.topology == "declare":
            log.warning("topology_incomplete", where=self.where, remedy="it is declared anew")
            with cancellable(), contextlib.suppress(*TROUBLE):
                await self._topology()

    async def _send_traced(self, one: Outgoing, *, drained: bool = False) -> None:
        if self._tracing is not None:
            await sent(self._tracing, self.server, one, partial(self._send, drained=drained))

    async def _send(self, one: Outgoing, *, drained: bool = False) -> None:
        """Send one, and wait for its confirmation.

        With `drained`, what comes after it on the channel waits until the socket has taken it. Once for a burst: its
        other messages go out in one write, and no more than a burst lies in memory when the broker reads nothing.
        """
        if self._publishing is None or self._publishing.is_closed:
            raise ChannelInvalidStateError("the channel is closed")
        channel = cast(aiormq.Channel, await self._publishing.get_underlay_channel())
        envelope = one.envelope
        await channel.basic_publish(
            envelope.body,
            exchange=one.exchange,
            routing_key=one.key,
            properties=aiormq.spec.Basic.Properties(
                content_type=envelope.content_type,
                headers=dict(envelope.headers),
                delivery_mode=aio_pika.DeliveryMode.PERSISTENT,
                message_id=envelope.message_id,
                message_type=envelope.type,
            ),
            mandatory=one.mandatory,
            timeout=self._settings.publish_timeout_seconds,
            wait=drained,
        )

    def _raise(self, trouble: BaseException) -> None:
        """Every way a publish fails, as one error. A CancelledError that nobody asked for is a lost connection."""
        _unless_asked(trouble)
        if not isinstance(trouble, (*TROUBLE, asyncio.CancelledError, DeliveryError)):
            raise trouble
        reason = "reached no queue" if isinstance(trouble, PublishError) else "was not confirmed"
        raise BrokerUnavailable(
            f"a message {reason}: {type(trouble).__name__}",
            where=self.where,
            remedy="see whether RabbitMQ is up, out of disk or memory, and whether the topology is complete",
        ) from None

    async def subscribe(self, queue: str, window: int) -> Subscription:
        """Consume a queue; at most `window` messages are unacknowledged at a time."""
        channel = await self._connections[1].channel()
        await channel.set_qos(prefetch_count=window)
        row = next(one for one in topology.QUEUES if one.name == queue)
        declared = (
            await channel.declare_queue(row.name, durable=True, arguments=row.arguments)
            if (self._settings.topology == "declare")
            else await channel.declare_queue(row.name, passive=True)
        )
        subscription = Subscription(declared, window)
        await subscription.start()
        return subscription

    async def listen(self, exchange: str, *keys: str, window: int = 200) -> Subscription:
        """Hear an exchange on a queue of one's own that goes with this connection. For hints and for watching.

        `keys` are binding keys; without any, everything is heard.
        """
        channel = await self._connections[1].channel()
        await channel.set_qos(prefetch_count=window)
        queue = await channel.declare_queue(exclusive=True, auto_delete=True)
        for key in keys or ("#",):
            await queue.bind(exchange, key)
        subscription = Subscription(queue, window)
        await subscription.start()
        return subscription

    async def depth(self, queue: str) -> int:
        """Messages that lie ready in a queue. Raises BrokerUnavailable."""
        return (await self.fill(queue)).messages

    async def fill(self, queue: str) -> Fill:
        """Messages that lie ready in a queue, and its consumers. Raises BrokerUnavailable."""
        try:
            with cancellable():
                async with asyncio.timeout(self._settings.publish_timeout_seconds):
                    declared = await self._asked(queue)
        except (*TROUBLE, asyncio.CancelledError) as error:
            _unless_asked(error)
            raise BrokerUnavailable(
                f"the depth of {queue} is not known: {type(error).__name__}", where=self.where
            ) from None
        result = declared.declaration_result
        return Fill(result.message_count or 0, result.consumer_count or 0)

    async def _asked(self, queue: str) -> AbstractQueue:
        channel = await self._connections[0].channel()
        try:
            return await channel.declare_queue(queue, passive=True)
        finally:
            # A broker that stands still does not answer this either.
            with contextlib.suppress(*TROUBLE):
                async with asyncio.timeout(_CLOSE_SECONDS):
                    await channel.close()

    async def close(self) -> None:
        """Close both connections."""
        for connection in self._connections:
            try:
                async with asyncio.timeout(5):
                    await connection.close()
            except TROUBLE:
                log.debug("connection_was_gone")


def _unless_asked(trouble: BaseException) -> None:
    """Raises a CancelledError that somebody asked for. One that nobody asked for is a lost connection."""
    task = asyncio.current_task()
    if isinstance(trouble, asyncio.CancelledError) and task is not None and task.cancelling():
        raise trouble
