"""What may stand in a support bundle. Pure. Values are left out unless they are known to be harmless.

Two locks: of settings and configuration only numbers, switches, choices and the places of servers are taken; and every
text, whatever it is, goes through `scrub` before it is written.
"""

import re
from collections.abc import Mapping
from enum import Enum
from typing import Any
from urllib.parse import urlsplit

SECRET_NAMES = ("PASSWORD", "SECRET", "TOKEN", "CREDENTIAL", "_KEY", "_KEYS")
PLACES = frozenset({"host", "port"})
"""Fields of a configuration whose text says where a server is, and nothing of people."""
TEXT, SET, REDACTED, ADDRESS = "[text]", "[set]", "[redacted]", "[address]"

_NUMBER = re.compile(r"-?\d{1,12}(\.\d{1,6})?|true|false|yes|no|on|off", re.IGNORECASE)
_ADDRESS = re.compile(r"[^\s<>()\[\]{}\"',;:|/=]+(?:@|%40)[^\s<>()\[\]{}\"',;:|/=]+")
_USERINFO = re.compile(r"\b([a-z][a-z0-9+.-]*://)[^/\s\"'?#]*@", re.IGNORECASE)


def scrub(text: str, secrets: frozenset[str] = frozenset()) -> str:
    """A text without these secrets, without credentials in URLs, and without addresses."""
    for one in sorted(secrets, key=len, reverse=True):
        text = text.replace(one, REDACTED)
    return _ADDRESS.sub(ADDRESS, _USERINFO.sub(rf"\1{REDACTED}-", text)).replace(f"{REDACTED}-", "")


def setting(name: str, value: str) -> str:
    """The value of a setting as it may be shown: a number or switch, or where a server is; of others that it is set."""
    upper = name.upper()
    if any(word in upper for word in SECRET_NAMES) and not upper.endswith(("_FILE", "_FILES")):
        return REDACTED
    if _NUMBER.fullmatch(value):
        return value
    return _server(value) if "://" in value else SET


def configuration(value: object, name: str = "") -> Any:
    """A configuration object: its shape, numbers, switches and choices. Of texts and lists only that there are some."""
    match value:
        case None | bool() | int() | float():
            return value
        case Enum():
            return value.value
        case str():
            return value if name in PLACES else TEXT
        case Mapping():
            return {str(key): configuration(one, str(key)) for key, one in value.items()}  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]  # a plain dump
        case list() | tuple() | set() | frozenset():
            return f"[{len(value)} of them]"  # pyright: ignore[reportUnknownArgumentType]  # counted only
        case _:
            return TEXT


def secrets_in(value: str) -> frozenset[str]:
    """What is secret in the value of a setting that holds a secret or a URL: long enough to be looked for."""
    found = {value}
    if "://" in value:
        parts = urlsplit(value)
        found = {one for one in (parts.password, parts.username) if one}
    return frozenset(one for one in found if len(one) >= 6)


def _server(url: str) -> str:
    try:
        parts = urlsplit(url)
        return f"{parts.scheme}://{parts.hostname or ''}{f':{parts.port}' if parts.port else ''}"
    except ValueError:
        return SET
