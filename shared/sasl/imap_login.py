"""IMAP's LOGIN command (RFC 9051 section 6.2.3): no SASL, and the last resort of servers that have none. Pure."""

import re

from shared.sasl.handshake import Reply, silent
from shared.sasl.values import Credentials


def login_command(credentials: Credentials) -> tuple[str, Reply]:
    """What follows LOGIN, and what to say when the server asks to go on.

    Quoted strings hold printable ASCII; a literal holds anything but NUL (RFC 3501 section 4.3).
    """
    words = [credentials.user.encode(), credentials.secret.get_secret_value().encode()]
    if all(0x20 <= byte < 0x7F for word in words for byte in word):
        return " ".join(quoted(word).decode("ascii") for word in words), silent
    first, second = words
    literals = iter((first + b" {%d}" % len(second), second))
    return f"{{{len(first)}}}", lambda _: next(literals, b"")


def quoted(text: bytes) -> bytes:
    """A quoted string."""
    return b'"' + re.sub(rb'(["\\])', rb"\\\1", text) + b'"'
