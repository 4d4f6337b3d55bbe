"""Somebody between a client and a real server: hears what the client sends, and may change what the server says."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

LOOPBACK = "127.0.0.1"
Rewrite = Callable[[bytes], bytes]


def as_it_is(said: bytes) -> bytes:
    """Change nothing."""
    return said


@dataclass
class Between:
    """Where to connect, and everything that clients have sent (behind our TLS, if it is ours)."""

    port: int = 0
    heard: bytearray = field(default_factory=bytearray)


@asynccontextmanager
async def between(
    upstream: int, *, tls: ssl.SSLContext | None = None, rewrite: Rewrite = as_it_is
) -> AsyncIterator[Between]:
    """Stand before the server at this port of ours. With `tls`, clients meet our TLS and the server hears clear text;
    without, bytes pass as they are. `rewrite` gets each line of the server's."""
    made = Between()
    serving: dict[asyncio.Task[None], tuple[asyncio.StreamWriter, ...]] = {}

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        server_reader, server_writer = await asyncio.open_connection(LOOPBACK, upstream)
        serving[asyncio.current_task()] = (writer, server_writer)
        await asyncio.gather(
            _carry(reader, server_writer, made.heard), _say(server_reader, writer, rewrite), return_exceptions=True
        )

    listening = await asyncio.start_server(serve, LOOPBACK, 0, ssl=tls)
    made.port = listening.sockets[0].getsockname()[1]
    try:
        yield made
    finally:
        listening.close()
        for writers in serving.values():
            for writer in writers:
                with contextlib.suppress(AttributeError):  # Python 3.11.2: one that was closed twice already
                    writer.transport.abort()
        await asyncio.gather(*serving)


async def _carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, heard: bytearray) -> None:
    while data := await reader.read(65536):
        heard += data
        writer.write(data)
    writer.close()


async def _say(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, rewrite: Rewrite) -> None:
    if rewrite is as_it_is:
        while data := await reader.read(65536):
            writer.write(data)
    else:
        while line := await reader.readline():
            writer.write(rewrite(line))
    writer.close()
