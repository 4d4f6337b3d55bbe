"""Somebody between a client and a real server: hears what the client sends, and may change what the server says."""

import asyncio
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
    tasks: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        tasks.add(asyncio.current_task())
        server_reader, server_writer = await asyncio.open_connection(LOOPBACK, upstream)
        try:
            async with asyncio.TaskGroup() as both:
                both.create_task(_carry(reader, server_writer, made.heard))
                both.create_task(_say(server_reader, writer, rewrite))
        except* (OSError, ssl.SSLError):
            pass
        finally:
            writer.close()
            server_writer.close()

    listening = await asyncio.start_server(serve, LOOPBACK, 0, ssl=tls)
    made.port = listening.sockets[0].getsockname()[1]
    try:
        yield made
    finally:
        listening.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


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
