"""Folder names on the wire: modified UTF-7 (RFC 3501 section 5.1.3). Pure."""

import base64
import re

_PLAIN_RUN = re.compile(r"[\x20-\x7e]+|[^\x20-\x7e]+")
_ENCODED_RUN = re.compile(r"&([^-]*)-")


def encode(name: str) -> str:
    """`Entwürfe` becomes `Entw&APw-rfe`, `A & B` becomes `A &- B`."""
    return "".join(_encode_run(run) for run in _PLAIN_RUN.findall(name))


def _encode_run(run: str) -> str:
    if " " <= run[0] <= "~":
        return run.replace("&", "&-")
    packed = base64.b64encode(run.encode("utf-16-be", "surrogatepass")).decode("ascii")
    return "&" + packed.rstrip("=").replace("/", ",") + "-"


def decode(wire: str) -> str:
    """The name as people read it. What is not modified UTF-7 comes back as it is."""
    return _ENCODED_RUN.sub(_decode_run, wire)


def _decode_run(match: re.Match[str]) -> str:
    packed = match.group(1).replace(",", "/")
    if not packed:
        return "&"
    try:
        return base64.b64decode(packed + "=" * (-len(packed) % 4), validate=True).decode("utf-16-be")
    except ValueError:
        return match.group(0)
