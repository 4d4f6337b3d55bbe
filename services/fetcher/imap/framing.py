"""Bytes of an IMAP server into responses (RFC 9051 section 4.3): a line, with the literals that stand in it. Pure.

aioimaplib's own reader calls itself once per line and so dies of a burst of a thousand lines; this one loops, copies
each byte once, and keeps every byte of a line as it came.
"""

import re
from collections.abc import Iterator
from io import BytesIO

Response = list[bytes]
"""Text and literals in turn: `[b'* 1 FETCH (UID 7 BODY[] {5}', b'hello', b')']`. A plain line is a list of one."""

_LITERAL = re.compile(rb"\{(\d{1,13})\+?\}$")
MAX_LINE = 16 * 1024 * 1024
"""A SEARCH answer names every UID on one line; a million of them take about 8 MiB."""


class TooLarge(Exception):
    """A line or literal beyond its cap: the connection is of no use any more."""


class Framer:
    """Feed it what arrives; it gives each response once it is whole. `max_literal` is in bytes."""

    def __init__(self, max_literal: int) -> None:
        self._max_literal = max_literal
        self._line = bytearray()
        self._parts: Response = []
        self._literal = BytesIO()
        self._missing = 0

    @property
    def empty(self) -> bool:
        """Whether nothing is held back: the last response ended with the last byte."""
        return not (self._line or self._parts or self._missing)

    def feed(self, data: bytes) -> Iterator[Response]:
        """The responses that these bytes complete. Raises TooLarge."""
        at, end = 0, len(data)
        while at < end:
            if self._missing:
                at = self._take_literal(data, at)
                continue
            at, line = self._take_line(data, at)
            if line is not None and (whole := self._line_done(line)) is not None:
                yield whole

    def _take_literal(self, data: bytes, at: int) -> int:
        piece = data[at : at + self._missing]
        self._literal.write(piece)
        self._missing -= len(piece)
        if not self._missing:
            self._parts.append(self._literal.getvalue())  # hands its buffer over: a mail is never there twice
            self._literal = BytesIO()
        return at + len(piece)

    def _take_line(self, data: bytes, at: int) -> tuple[int, bytes | None]:
        found = data.find(b"\n", at)
        if found < 0:
            self._line += data[at:]
            if len(self._line) > MAX_LINE:
                raise TooLarge(f"a line of more than {MAX_LINE} bytes")
            return len(data), None
        line = bytes(self._line) + data[at:found] if self._line else data[at:found]
        self._line = bytearray()
        return found + 1, line.removesuffix(b"\r")

    def _line_done(self, line: bytes) -> Response | None:
        """The whole response, or None if a literal follows this line."""
        self._parts.append(line)
        match = _LITERAL.search(line, max(0, len(line) - 16)) if line.endswith(b"}") else None
        if match is None:
            whole, self._parts = self._parts, []
            return whole
        self._missing = int(match.group(1))
        if self._missing > self._max_literal:
            raise TooLarge(f"a literal of {self._missing} bytes")
        if not self._missing:
            self._parts.append(b"")
        return None
