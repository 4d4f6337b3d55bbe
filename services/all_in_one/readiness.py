"""Asks a service's admin port whether it is ready. Must never ask anything that is not on the loopback address."""

import asyncio

from services.all_in_one.process import LOOPBACK


async def ready(port: int) -> bool:
    """Whether GET /readyz on that port answers 200 within 2 s."""
    try:
        async with asyncio.timeout(2):
            reader, writer = await asyncio.open_connection(LOOPBACK, port)
            try:
                writer.write(b"GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
                return (await reader.readline()).split()[1:2] == [b"200"]
            finally:
                writer.close()
    except (OSError, TimeoutError):
        return False
