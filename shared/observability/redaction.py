"""Keeps secrets and people's addresses out of logs. A processor of structlog, and a function for single values."""

from collections.abc import MutableMapping
from functools import lru_cache
from typing import Any

SECRET_WORDS = ("password", "secret", "token", "authorization", "credential")
REDACTED = "[redacted]"


def redact(address: str) -> str:
    """An address with its local part shortened to its first letter: `a***@example.org`."""
    local, at, domain = address.rpartition("@")
    return f"{local[:1]}***@{domain}" if at else "***"


def redact_event(_: object, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Blank every value whose key sounds like a secret. The last lock, not the first: nobody logs them on purpose."""
    for key in event:
        if _sounds_secret(key):
            event[key] = REDACTED
    return event


@lru_cache(maxsize=1024)
def _sounds_secret(key: str) -> bool:
    return any(word in key.lower() for word in SECRET_WORDS)
