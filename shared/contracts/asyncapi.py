"""The AsyncAPI 3.1 document of the events, from a subscriber's view, made from the models and their examples."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from shared.contracts import schemas
from shared.contracts.events import (
    CLOUD_EVENT_CONTENT_TYPE,
    EVENTS,
    MAIL_QUARANTINED,
    MAIL_REJECTED,
    REPLAYED,
    TICKET_CREATED,
    TICKET_DUPLICATE_COUNTED,
    TICKET_REPLIED,
    short_name,
)
from shared.contracts.examples import examples
from shared.domain.mailbox import Module
from shared.domain.ticket import OutboxEvent

VERSION: Final = "3.1.0"
BINDING: Final = "0.3.0"
EXCHANGE: Final = "tickets"

Part = dict[str, Any]

PARAMETERS: Final[Mapping[str, Part]] = {
    "module": {
        "description": "Incidents are tickets, service requests are requests.",
        "enum": [one.value for one in Module],
    },
    "department": {"description": "Name of a department of the catalogue, or none.", "examples": ["it", "none"]},
    "service": {"description": "Name of a service of the catalogue, or none.", "examples": ["printing", "none"]},
    "mailbox": {"description": "Name of the mailbox.", "examples": ["support"]},
    "reason": {"description": "Why, as a stable word.", "examples": ["blocked_sender", "parser_killed"]},
}
"""Every word of a routing key that is not fixed. None of them contains a dot."""


@dataclass(frozen=True, slots=True)
class Channel:
    """One kind of event on the exchange: its name here, its type, its title, the variable words of its routing key."""

    name: str
    kind: str
    title: str
    words: tuple[str, ...]

    @property
    def fixed(self) -> str:
        """The beginning of the routing key: `ticket.created`. It has no version: the type has."""
        return short_name(self.kind).rpartition(".v")[0]

    @property
    def address(self) -> str:
        """The routing key: `mail.rejected.{reason}.{mailbox}`."""
        return ".".join([self.fixed, *(f"{{{word}}}" for word in self.words)])

    @property
    def message(self) -> str:
        """The name of its message."""
        return EVENTS[self.kind].__name__


_PLACE: Final = ("module", "department", "service", "mailbox")

CHANNELS: Final = (
    Channel("ticketCreated", TICKET_CREATED, "Tickets and requests that were opened", _PLACE),
    Channel("ticketReplied", TICKET_REPLIED, "Mails that were appended to a ticket", _PLACE),
    Channel("ticketDuplicateCounted", TICKET_DUPLICATE_COUNTED, "Repeated mails, counted on their ticket", _PLACE),
    Channel("mailRejected", MAIL_REJECTED, "Mails that made no ticket", ("reason", "mailbox")),
    Channel("mailQuarantined", MAIL_QUARANTINED, "Mails that wait for somebody", ("reason", "mailbox")),
)
"""Every event there is, in the order of the documentation."""


def document(version: str) -> Part:
    """The whole document. `version` is that of the program."""
    made = examples()
    return {
        "asyncapi": VERSION,
        "info": {
            "title": "Mail Automator events",
            "version": version,
            "description": _DESCRIPTION,
            "tags": [{"name": "ticket"}, {"name": "mail"}],
        },
        "defaultContentType": CLOUD_EVENT_CONTENT_TYPE,
        "servers": {"rabbitmq": _SERVER},
        "channels": {one.name: _channel(one) for one in CHANNELS} | {"subscriberQueue": _queue(CHANNELS)},
        "operations": {_operation_name(one): _operation(one) for one in CHANNELS} | {"receiveFromQueue": _receive()},
        "components": {
            "messages": {one.message: _message(one, made[one.kind]) for one in CHANNELS},
            "schemas": schemas.definitions(),
            "parameters": dict(PARAMETERS) | {"queue": _QUEUE_PARAMETER},
            "securitySchemes": {"user": {"type": "userPassword", "description": "A RabbitMQ user of one's own."}},
        },
    }


def _channel(channel: Channel) -> Part:
    return {
        "address": channel.address,
        "title": channel.title,
        "description": f"The key to bind a queue with: `{channel.fixed}{'.*' * len(channel.words)}`; `*` is any word.",
        "servers": [{"$ref": "#/servers/rabbitmq"}],
        "parameters": {word: {"$ref": f"#/components/parameters/{word}"} for word in channel.words},
        "messages": {channel.message: {"$ref": f"#/components/messages/{channel.message}"}},
        "bindings": {
            "amqp": {
                "is": "routingKey",
                "exchange": {"name": EXCHANGE, "type": "topic", "durable": True, "autoDelete": False, "vhost": "/"},
                "bindingVersion": BINDING,
            }
        },
    }


def _queue(channels: Sequence[Channel]) -> Part:
    return {
        "address": "{queue}",
        "title": "The subscriber's own queue",
        "description": "Declared by the subscriber, bound to the exchange with the keys of the other channels.",
        "servers": [{"$ref": "#/servers/rabbitmq"}],
        "parameters": {"queue": {"$ref": "#/components/parameters/queue"}},
        "messages": {one.message: {"$ref": f"#/components/messages/{one.message}"} for one in channels},
        "bindings": {
            "amqp": {
                "is": "queue",
                "queue": {
                    "name": "subscriber.example",
                    "durable": True,
                    "exclusive": False,
                    "autoDelete": False,
                    "vhost": "/",
                },
                "bindingVersion": BINDING,
            }
        },
    }


def _operation_name(channel: Channel) -> str:
    return f"on{channel.name[0].upper()}{channel.name[1:]}"


def _operation(channel: Channel) -> Part:
    return {
        "action": "receive",
        "title": channel.title,
        "summary": EVENTS[channel.kind].__doc__,
        "channel": {"$ref": f"#/channels/{channel.name}"},
        "messages": [{"$ref": f"#/channels/{channel.name}/messages/{channel.message}"}],
        "tags": [{"name": channel.fixed.partition(".")[0]}],
        "bindings": {"amqp": {"ack": True, "bindingVersion": BINDING}},
    }


def _receive() -> Part:
    return {
        "action": "receive",
        "title": "Take events from one's own queue",
        "summary": "Acknowledge an event when what it means has been written down, deduplicated by its id.",
        "channel": {"$ref": "#/channels/subscriberQueue"},
        "bindings": {"amqp": {"ack": True, "bindingVersion": BINDING}},
    }


def _message(channel: Channel, example: OutboxEvent) -> Part:
    return {
        "name": channel.kind,
        "title": channel.title,
        "summary": EVENTS[channel.kind].__doc__,
        "contentType": CLOUD_EVENT_CONTENT_TYPE,
        "headers": _HEADERS | {"properties": _HEADERS["properties"] | {"ce-type": {"const": channel.kind}}},
        "payload": {"$ref": f"#/components/schemas/{schemas.envelope_name(channel.kind)}"},
        "correlationId": {"description": "The mail that caused it.", "location": "$message.payload#/correlationid"},
        "tags": [{"name": channel.fixed.partition(".")[0]}],
        "bindings": {"amqp": {"messageType": channel.kind, "bindingVersion": BINDING}},
        "examples": [
            {
                "name": example.routing_key,
                "summary": f"Routing key {example.routing_key}",
                "headers": {"ce-id": example.event_id, "ce-type": example.type},
                "payload": example.event,
            }
        ],
    }


_HEADERS: Final[Part] = {
    "type": "object",
    "required": ["ce-id", "ce-type"],
    "properties": {
        "ce-id": {"type": "string", "description": "The event's id, as in the body and in the property message_id."},
        "ce-type": {"type": "string"},
        REPLAYED: {"type": "boolean", "description": "There, and true, where somebody had the event sent again."},
    },
}

_SERVER: Final[Part] = {
    "host": "{host}:{port}",
    "protocol": "amqp",
    "protocolVersion": "0.9.1",
    "description": "RabbitMQ 3.10 to 4.x. With TLS the port is usually 5671.",
    "variables": {"host": {"default": "localhost"}, "port": {"default": "5672"}},
    "security": [{"$ref": "#/components/securitySchemes/user"}],
}

_QUEUE_PARAMETER: Final[Part] = {
    "description": "The queue's name: subscriber. and the name of the system.",
    "examples": ["subscriber.example"],
}

_DESCRIPTION: Final = """\
What happened to mails and tickets, as CloudEvents 1.0 (structured JSON) on the durable topic exchange `tickets`.
Delivery is at least once: deduplicate on `id`. Order is not promised. Every event is persistent; AMQP `message_id` is
its `id`. docs/subscribing.md says how to subscribe.
"""
