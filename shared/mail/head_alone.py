"""What is left of a mail that breaks its parser: its header, read alone, and a flag for the limit it broke. Pure.

Must never look at what follows the header: that is what broke it.
"""

import hashlib
import re

from shared.domain.email import Email
from shared.mail.flags import Flag
from shared.mail.headers import MAX_BLOCK

_BLANK_LINE = re.compile(rb"\r?\n\r?\n")
_OF_WHAT_IS_MISSING = frozenset((Flag.EMPTY, Flag.BROKEN_MIME))


def head_of(raw: bytes) -> bytes:
    """The header of a mail, at most 256 KiB."""
    end = _BLANK_LINE.search(raw, 0, MAX_BLOCK)
    return raw[: end.end() if end else MAX_BLOCK]


def of_head(email: Email, raw: bytes, limit: Flag) -> Email:
    """The mail of which only the header was read. Its content is known by its bytes only."""
    flags = (limit.value, *(one for one in email.flags if one not in _OF_WHAT_IS_MISSING))
    digest = hashlib.sha256(raw).hexdigest()
    return email.model_copy(update={"flags": flags, "size": len(raw), "content_sha256": digest})
