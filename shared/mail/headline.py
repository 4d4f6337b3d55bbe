"""The few header fields by which people look a mail up, taken from raw bytes without parsing the mail.

Total and quick: it looks at the first 64 KiB of the header block only, and never raises. It must never decide
anything: the rules see the normalised email, not this.
"""

import re

from shared.domain.email import Headline
from shared.mail import addresses, headers

_BLOCK = 64 * 1024
_FIELD = 16 * 1024
_SUBJECT_LIMIT = 500
_WANTED = re.compile(rb"^(message-id|from|subject)[ \t]*:([^\n]*(?:\n[ \t][^\n]*)*)", re.IGNORECASE | re.MULTILINE)
_FOLD = re.compile(rb"\r*\n")
_END = re.compile(rb"\n\r*\n")


def headline(raw: bytes) -> Headline:
    """Message-ID (in its angle brackets), sender address (normalised) and decoded subject of a mail.

    What is missing or unreadable is None or empty. The first field of each name counts; a From field with several
    mailboxes gives the first. The subject is one line of at most 500 characters.
    """
    fields = _fields(raw)
    senders = addresses.mailboxes(fields.get(b"from", b""), 1, [])
    return Headline(
        message_id=headers.message_id(fields.get(b"message-id")),
        sender=senders[0].address if senders else None,
        subject=headers.decode_limited(fields.get(b"subject", b""), _SUBJECT_LIMIT),
    )


def _fields(raw: bytes) -> dict[bytes, bytes]:
    block = raw[:_BLOCK].lstrip(b"\r\n")
    end = _END.search(block)
    found: dict[bytes, bytes] = {}
    for match in _WANTED.finditer(block, 0, end.start() + 1 if end else len(block)):
        found.setdefault(match[1].lower(), _FOLD.sub(b"", match[2][:_FIELD]).strip())
    return found
