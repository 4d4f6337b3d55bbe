"""The spans of messages, named after OpenTelemetry's conventions for messaging and RabbitMQ. Used where tracing is on.

Nothing of a mail goes into them but its id, its mailbox and what became of it.
"""

from collections.abc import Awaitable, Callable
from dataclasses import replace

from shared.broker.delivery import Delivery
from shared.broker.dialling import Server
from shared.broker.messages import Outgoing
from shared.broker.topology import TICKETS, Queue
from shared.contracts.codec import Envelope
from shared.contracts.events import CLOUD_EVENT_CONTENT_TYPE, traced
from shared.domain.trace_context import TRACEPARENT, TRACESTATE, parse
from shared.observability.tracing import Attributes, Span, Tracing

_KEY_WORDS = 2
"""So many words of an event's routing key say what happened; the others are names, too many for a span's name."""


async def sent(tracing: Tracing, server: Server, one: Outgoing, send: Callable[[Outgoing], Awaitable[None]]) -> None:
    """Send a message as a span of its mail, with the context in its headers; one of no mail as it is."""
    mail_id = one.mail_id or str(one.envelope.headers.get("mail_id", ""))
    if not mail_id:
        await send(one)
        return
    span = tracing.begin("send", f"send {_template(one.exchange, one.key)}", mail_id, _sending(one, server))
    error = ""
    try:
        await send(replace(one, envelope=_told(tracing, one.envelope, mail_id, span)))
    except BaseException as raised:
        error = type(raised).__name__
        raise
    finally:
        span.end(error=error)


def received(
    tracing: Tracing, server: Server, queue: Queue, delivery: Delivery, mail_id: str, mailbox: str, stage: str
) -> Span:
    """Begin to process a message that was delivered, as a part of what its sender did."""
    headers = delivery.envelope.headers
    parent = parse(headers.get(TRACEPARENT), headers.get(TRACESTATE))
    name = f"process {_template(queue.exchange, delivery.routing_key or queue.key)}"
    attributes = _processing(delivery, queue, server) | {
        "mail_automator.stage": stage,
        "mail_automator.mailbox": mailbox,
    }
    return tracing.begin("process", name, mail_id, attributes, parent=parent or tracing.root(mail_id))


def _told(tracing: Tracing, envelope: Envelope, mail_id: str, span: Span) -> Envelope:
    """The headers lead to this sending. An event says in itself where it came from: the same each time it is sent."""
    if envelope.content_type == CLOUD_EVENT_CONTENT_TYPE:
        envelope = traced(envelope, tracing.root(mail_id).traceparent)
    return replace(envelope, headers={**envelope.headers, **span.context.headers})


def _sending(one: Outgoing, server: Server) -> Attributes:
    return _message(one.envelope, one.exchange, one.key, server) | {
        "messaging.operation.name": "send",
        "messaging.operation.type": "send",
        "messaging.destination.name": f"{one.exchange}:{one.key}",
    }


def _processing(delivery: Delivery, queue: Queue, server: Server) -> Attributes:
    key = delivery.routing_key
    return _message(delivery.envelope, queue.exchange, key, server) | {
        "messaging.operation.name": "process",
        "messaging.operation.type": "process",
        "messaging.destination.name": f"{queue.exchange}:{key}:{queue.name}",
        "mail_automator.deliveries": delivery.deliveries,
    }


def _message(envelope: Envelope, exchange: str, key: str, server: Server) -> Attributes:
    mailbox = envelope.headers.get("mailbox")
    return {
        "messaging.system": "rabbitmq",
        "messaging.destination.template": _template(exchange, key),
        "messaging.rabbitmq.destination.routing_key": key,
        "messaging.message.id": envelope.message_id,
        "messaging.message.body.size": len(envelope.body),
        "server.address": server.host,
        "server.port": server.port,
        **({"mail_automator.mailbox": mailbox} if mailbox else {}),
    }


def _template(exchange: str, key: str) -> str:
    """Exchange and key, without the names in an event's key."""
    words = key.split(".") if exchange == TICKETS else [key]
    return f"{exchange}:{'.'.join(words[:_KEY_WORDS])}"
