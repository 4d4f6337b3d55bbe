"""A wire to the store that ends a process as soon as it asks for one certain mail: what a mail does that kills it."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

FIND_RAW = b"\x02find\x00\x04\x00\x00\x00raw\x00"
"""How a question to the collection `raw` begins (MongoDB wire protocol: a BSON string named `find`)."""


@asynccontextmanager
async def deadly_wire(port: int, mail_id: str, victim: Callable[[], int | None]) -> AsyncIterator[int]:
    """Forwards a port of its own to the store's. The process that asks it for the raw bytes of that mail dies at once,
    by SIGKILL, with all that it holds; it gets no answer."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            there = await asyncio.open_connection("127.0.0.1", port)
            await asyncio.gather(forth(reader, there[1]), back(there[0], writer), return_exceptions=True)

    async def forth(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(1 << 20):
            pid = victim()
            if FIND_RAW in data and mail_id.encode() in data and pid is not None:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
                break
            writer.write(data)
            await writer.drain()
        writer.close()

    async def back(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(1 << 20):
            writer.write(data)
            await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
