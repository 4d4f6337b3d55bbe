"""One connection of a test: lines in and out, TLS at its start or later. Knows no mail protocol.

Must never send anything before it is told to, keep bytes that came before TLS, or let a server fill our memory.
"""

import asyncio
import base64
import socket
import ssl
from typing import Final, cast

from services.console.probe.steps import StepFailed

RESPONSE_MAX: Final = 64 * 1024
"""Bytes of one answer; more is an error."""
SHOWN_MAX: Final = 200
"""Characters of a server's own words that are shown."""


class Wire(asyncio.Protocol):
    """A connection over a connected socket. `hide` keeps words, such as the password, out of everything shown."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._buffer = bytearray()
        self._news = asyncio.Event()
        self._over = False
        self._taken = 0
        self._hidden: list[str] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The connection stands."""
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Bytes came; far more than was asked for ends the connection."""
        self._buffer += data
        if len(self._buffer) > 2 * RESPONSE_MAX and self._transport is not None:
            self._transport.abort()
        self._news.set()

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection ended, in order or not."""
        self._over = True
        self._news.set()

    async def open(self, connected: socket.socket, secure: ssl.SSLContext | None, host: str) -> None:
        """Take over a connected socket, with TLS at once if `secure` is given. Raises ssl.SSLError, OSError."""
        loop = asyncio.get_running_loop()
        name = host if secure is not None else None
        await loop.create_connection(lambda: self, sock=connected, ssl=secure, server_hostname=name)

    async def start_tls(self, secure: ssl.SSLContext, host: str) -> None:
        """TLS from here on. Raises StepFailed if clear text waits to be taken for protected; ssl.SSLError, OSError."""
        if self._buffer:
            self._buffer.clear()
            raise StepFailed(
                "STARTTLS_INJECTION",
                "There is clear text behind STARTTLS: somebody may be listening.",
                "Do not use this network; try SSL (implicit TLS) instead.",
            )
        loop = asyncio.get_running_loop()
        upgraded = await loop.start_tls(self._pipe(), self, secure, server_hostname=host)
        self._transport = cast("asyncio.Transport", upgraded)
        self._taken = 0

    @property
    def tls(self) -> ssl.SSLObject | None:
        """The TLS session, if there is one."""
        found = self._transport.get_extra_info("ssl_object") if self._transport is not None else None
        return cast("ssl.SSLObject | None", found)

    def local_address(self) -> str:
        """Our own address, as the peer of this connection may see it."""
        return str(self._pipe().get_extra_info("sockname")[0])

    def send(self, data: bytes) -> None:
        """Send a command; a new answer begins."""
        self._taken = 0
        self._pipe().write(data)

    async def line(self) -> bytes:
        """The next line without its end. Raises StepFailed if the server hangs up or says too much."""
        while (end := self._buffer.find(b"\n")) < 0:
            await self._more()
        return self._take(end + 1).rstrip(b"\r\n")

    async def exactly(self, count: int) -> bytes:
        """So many bytes (an IMAP literal). Raises StepFailed."""
        if self._taken + count > RESPONSE_MAX:
            raise _too_much()
        while len(self._buffer) < count:
            await self._more()
        return self._take(count)

    def hide(self, *words: str) -> None:
        """Never show these words, as they are or in base64, even if the server repeats them."""
        for word in words:
            raw = word.encode()
            self._hidden += [one for one in (word, base64.b64encode(raw).decode(), repr(word)[1:-1]) if len(one) > 2]
        self._hidden.sort(key=len, reverse=True)

    def shown(self, text: bytes) -> str:
        """A server's own words, escaped, without secrets, at most SHOWN_MAX characters."""
        words = text.decode("utf-8", "replace")
        for secret in self._hidden:
            words = words.replace(secret, "***")
        return "".join(one if one.isprintable() else f"\\x{ord(one):02x}" for one in words)[:SHOWN_MAX].strip()

    def close(self) -> None:
        """Hang up."""
        if self._transport is not None:
            self._transport.abort()

    def _pipe(self) -> asyncio.Transport:
        if self._transport is None or self._over:
            raise _gone()
        return self._transport

    async def _more(self) -> None:
        if len(self._buffer) + self._taken > RESPONSE_MAX:
            raise _too_much()
        if self._over:
            raise _gone()
        self._news.clear()
        await self._news.wait()

    def _take(self, count: int) -> bytes:
        found = bytes(self._buffer[:count])
        del self._buffer[:count]
        self._taken += count
        if self._taken > RESPONSE_MAX:
            raise _too_much()
        return found


def _gone() -> StepFailed:
    remedy = "Check port and encryption: this may be another kind of server, or it blocks our address."
    return StepFailed("CONNECTION_LOST", "The server hung up.", remedy)


def _too_much() -> StepFailed:
    return StepFailed("ANSWER_TOO_LONG", "The server's answer is over 64 KiB.", "Check that this is a mail server.")
