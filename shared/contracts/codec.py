"""Messages to AMQP bodies and back. Pure: an `Envelope` is what the broker door sends and receives.

`email.fetched` travels as the raw mail itself (`message/rfc822`, metadata in the headers), or with an empty body by
reference; everything else is JSON. The type is `<name>.v<version>` in the AMQP `type` property.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from pydantic import ValidationError

from shared.contracts.messages import MESSAGES, EmailFetched, Message
from shared.domain.decision import Overruling
from shared.domain.errors import MalformedMessage

RAW_CONTENT_TYPE = "message/rfc822"
JSON_CONTENT_TYPE = "application/json"
BY_REFERENCE = "x-raw-by-reference"
VERSION = "decision_version"
IMPORTED = "imported"
OVERRULED_BY = "overruled_by"
OVERRULED_WHY = "overruled_why"

Header = str | int | bool


@dataclass(frozen=True, slots=True)
class Envelope:
    """An AMQP message without AMQP: body, properties and application headers."""

    body: bytes
    content_type: str
    type: str
    message_id: str
    headers: Mapping[str, Header] = field(default_factory=dict[str, Header])


_BY_TYPE: dict[str, type[Message]] = {f"{one.TYPE}.v{one.VERSION}": one for one in MESSAGES}


def encode(message: Message) -> Envelope:
    """The envelope of a message. Its `message_id` is the mail_id, so the same mail is the same message."""
    wire_type = f"{message.TYPE}.v{message.VERSION}"
    if isinstance(message, EmailFetched):
        return Envelope(
            body=message.raw or b"",
            content_type=RAW_CONTENT_TYPE,
            type=wire_type,
            message_id=message.mail_id,
            headers={
                "mail_id": message.mail_id,
                "mailbox": message.mailbox,
                "received_at": message.received_at.isoformat(),
                "fetched_at": message.fetched_at.isoformat(),
                "size": message.size,
                BY_REFERENCE: message.raw is None,
                **_besides(message),
            },
        )
    return Envelope(
        body=message.model_dump_json(exclude_defaults=True).encode(),
        content_type=JSON_CONTENT_TYPE,
        type=wire_type,
        message_id=message.mail_id,
        headers={"mail_id": message.mail_id, "mailbox": message.mailbox},
    )


def decode(envelope: Envelope) -> Message:
    """The message in an envelope.

    Raises MalformedMessage for an unknown type or version, or a body or header that is not of the contract.
    """
    model = _BY_TYPE.get(envelope.type)
    if model is None:
        raise MalformedMessage(
            f"message type {envelope.type[:60]!r} is not known here",
            remedy="a newer writer needs newer readers first; its mail is tried again from the raw store",
        )
    try:
        if model is EmailFetched:
            return _fetched(envelope)
        return model.model_validate_json(envelope.body, extra="ignore")
    except (ValidationError, ValueError, KeyError) as error:
        raise MalformedMessage(f"{envelope.type} is not of its contract: {type(error).__name__}") from None


def _besides(message: EmailFetched) -> dict[str, Header]:
    """What only a replayed or an imported mail carries."""
    order = message.overruling
    version: dict[str, Header] = {VERSION: message.decision_version} if message.decision_version != 1 else {}
    imported: dict[str, Header] = {IMPORTED: True} if message.imported else {}
    return version | imported | ({OVERRULED_BY: order.who, OVERRULED_WHY: order.why} if order else {})


def _fetched(envelope: Envelope) -> EmailFetched:
    head = envelope.headers
    return EmailFetched(
        mail_id=str(head["mail_id"]),
        mailbox=str(head["mailbox"]),
        received_at=datetime.fromisoformat(str(head["received_at"])),
        fetched_at=datetime.fromisoformat(str(head["fetched_at"])),
        size=int(head["size"]),
        raw=None if head.get(BY_REFERENCE) else envelope.body,
        decision_version=int(head.get(VERSION, 1)),
        imported=bool(head.get(IMPORTED, False)),
        overruling=(
            Overruling(who=str(head[OVERRULED_BY]), why=str(head.get(OVERRULED_WHY, "")))
            if OVERRULED_BY in head
            else None
        ),
    )
