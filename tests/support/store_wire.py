"""A wire to the store that a test listens on: it can change what is asked, or end who asks."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

FIND_RAW = b"\x02find\x00\x04\x00\x00\x00raw\x00"
"""How a question to the collection `raw` begins (MongoDB wire protocol: a BSON string named `find`)."""
UNIQUE, NOT_UNIQUE = b"\x08unique\x00\x01", b"\x08unique\x00\x00"
"""BSON booleans of the same length."""

Change = Callable[[bytes], bytes | None]


@asynccontextmanager
async def wire(port: int, change: Change) -> AsyncIterator[int]:
    """Forwards a port of its own to the store's; what is asked goes through `change`, and None ends the connection."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            there = await asyncio.open_connection("127.0.0.1", port)
            await asyncio.gather(pump(reader, there[1], change), pump(there[0], writer), return_exceptions=True)

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, change: Change = lambda data: data) -> None:
    while data := await reader.read(1 << 20):
        changed = change(data)
        if changed is None:
            break
        writer.write(changed)
        await writer.drain()
    writer.close()


def deadly(mail_id: str, victim: Callable[[], int | None]) -> Change:
    """The process that asks for the raw bytes of that mail dies at once, by SIGKILL, with all that it holds."""

    def change(data: bytes) -> bytes | None:
        pid = victim()
        if not (FIND_RAW in data and mail_id.encode() in data) or pid is None:
            return data
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        return None

    return change


def loose(data: bytes) -> bytes:
    """A server that takes the order for a unique index, and makes a plain one."""
    return data.replace(UNIQUE, NOT_UNIQUE)
