"""What is fuzzed: any bytes in, and what must then hold. A target that raises has found something."""

from collections.abc import Callable
from datetime import UTC, datetime

from services.fetcher.imap import parse as imap
from services.fetcher.imap.framing import Framer, Response, TooLarge
from shared.contracts.codec import JSON_CONTENT_TYPE, RAW_CONTENT_TYPE, Envelope, decode, encode
from shared.contracts.messages import MESSAGES
from shared.domain.email import Email, SenderStatus
from shared.domain.errors import MalformedMessage
from shared.domain.patterns import normalise_address
from shared.mail import addresses, attachments, headers
from shared.mail.flags import MEANINGS
from shared.mail.headline import headline
from shared.mail.parse import parse
from shared.mail.quoted import split

Target = Callable[[bytes], None]
AT = datetime(2026, 3, 2, tzinfo=UTC).isoformat()
TYPES = tuple(f"{one.TYPE}.v{one.VERSION}" for one in MESSAGES)


def mail(data: bytes) -> None:
    """The parser is total; what it gives can be stored and sent on; its attachments lead back to their bytes."""
    found = parse(data)
    assert "unparsable" not in found.flags
    assert Email.model_validate_json(found.model_dump_json()) == found
    assert found.size == len(data)
    assert set(found.flags) <= set(MEANINGS)
    quoted = split(found.text)
    assert quoted.new + quoted.rest == found.text
    for one in found.attachments[:20]:
        content = attachments.content(data, one.part)
        assert content is not None
        assert len(content) == one.size
    headline(data)


def address(data: bytes) -> None:
    """A sender is exactly one address that the field holds, or nobody; a list gives addresses only."""
    head = headers.read(b"From: " + data.replace(b"\n", b" ") + b"\nTo: " + data.replace(b"\n", b" ") + b"\n\n")
    found, status, _ = addresses.sender(head)
    assert (found is not None) is (status is SenderStatus.OK)
    recipients, _ = addresses.recipients(head)
    for one in (*((found,) if found else ()), *recipients):
        assert normalise_address(one.address) == one.address
        assert not set(one.address + one.display) & set("\r\n\x00")


def message(data: bytes) -> None:
    """A message is of its contract, and then its own inverse, or refused."""
    kind, body = TYPES[data[0] % len(TYPES)] if data else "", data[1:]
    text = body[:200].decode("utf-8", "replace")
    sized: str | int = len(body) if body[:1] < b"\x80" else text
    head = {"mail_id": text, "mailbox": "support", "received_at": AT, "fetched_at": AT, "size": sized}
    for content_type in (RAW_CONTENT_TYPE, JSON_CONTENT_TYPE):
        try:
            found = decode(Envelope(body, content_type, kind, "m1", head))
        except MalformedMessage:
            continue
        assert decode(encode(found)) == found


def responses(data: bytes) -> None:
    """Responses are the same however their bytes are cut, and say something or nothing."""
    whole, pieces = _framed(data, len(data) or 1), _framed(data, 1 + (data[0] % 7 if data else 0))
    assert whole == pieces
    if whole is None:
        return
    for read in (imap.capabilities, imap.search, imap.codes, imap.exists, imap.folders):
        read(whole)
    for uid, one in imap.fetches(whole).items():
        assert uid == one.uid


def _framed(data: bytes, step: int) -> list[Response] | None:
    framer = Framer(1_000)
    try:
        return [one for at in range(0, len(data), step) for one in framer.feed(data[at : at + step])]
    except TooLarge:
        return None


TARGETS: dict[str, Target] = {"mail": mail, "address": address, "message": message, "responses": responses}
