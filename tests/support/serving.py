"""An application on a private port, in this very process, for the tests of the console and its API."""

import asyncio
import socket
from collections.abc import AsyncGenerator
from contextlib import ExitStack, asynccontextmanager

import uvicorn
from fastapi import FastAPI

SECONDS = 1
"""What a request may take to end, once the test has ended."""


class _Server(uvicorn.Server):
    """uvicorn, which by itself looks ten times a second whether to end, and sleeps again when it does: a fifth of a
    second for nothing, in a thousand tests. Its own end is tried where the console is a process."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.ending = asyncio.Event()
        self.capture_signals = ExitStack  # type: ignore[method-assign]  # signals belong to pytest

    async def main_loop(self) -> None:
        await self.on_tick(0)
        await self.ending.wait()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        for one in self.servers:
            one.close()
        for one in list(self.server_state.connections):
            one.shutdown()
        if self.server_state.tasks:
            _, left = await asyncio.wait(self.server_state.tasks, timeout=SECONDS)
            for one in left:
                one.cancel()


@asynccontextmanager
async def serving(app: FastAPI, listener: socket.socket) -> AsyncGenerator[None]:
    """The application takes requests on this socket; it has ended afterwards."""
    server = _Server(uvicorn.Config(app, log_config=None, access_log=False, lifespan="off"))
    running = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        yield
    finally:
        server.ending.set()
        await running
