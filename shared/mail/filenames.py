"""Names of attached files, made safe: a base name without path, control, direction override or device name."""

import re

from shared.mail import text

MAX_BYTES = 150

_FORBIDDEN = re.compile(r'[<>:"|?*\x00-\x1f]')
_DEVICE = re.compile(r"(?:con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³]|conin\$|conout\$)(?=\.|\Z)", re.IGNORECASE)
_EXTENSIONS = {
    "text/plain": ".txt",
    "text/html": ".html",
    "text/calendar": ".ics",
    "text/csv": ".csv",
    "message/rfc822": ".eml",
    "image/png": ".png",
    "image/jpeg": ".jpg",
    "image/gif": ".gif",
    "application/pdf": ".pdf",
    "application/zip": ".zip",
    "application/pkcs7-signature": ".p7s",
    "application/pkcs7-mime": ".p7m",
    "application/pgp-signature": ".asc",
}


def clean(name: str, fallback: str) -> str:
    """The base name of `name`, at most 150 bytes of UTF-8 with its extension kept; `fallback` if nothing is left."""
    base = re.split(r"[/\\]", name[:4096])[-1]
    base = _FORBIDDEN.sub("_", text.line(base, 4096)).strip(". ")
    if not base:
        return fallback
    if _DEVICE.match(base):
        base = f"_{base}"
    return _cut(base)


def invented(part: str, content_type: str) -> str:
    """A name for an attachment that has none: from its part number and type."""
    return f"attachment-{part}{_EXTENSIONS.get(content_type, '.bin')}"


def _cut(base: str) -> str:
    if len(base.encode()) <= MAX_BYTES:
        return base
    stem, dot, extension = base.rpartition(".")
    if not dot or len(extension) > 10:
        return text.cut(base, MAX_BYTES)
    return f"{text.cut(stem, MAX_BYTES - len(extension.encode()) - 1)}.{extension}"
