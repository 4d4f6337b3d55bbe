"""Keeps a server of ours (broker, store) running: started again, on its port, when it dies."""

import asyncio
from collections.abc import Callable
from typing import Final, Protocol

from shared.domain.errors import AutomatorError

LOOK_SECONDS: Final = 0.5
LONGEST_PAUSE: Final = 30.0


class Server(Protocol):
    """What can be guarded."""

    @property
    def running(self) -> bool: ...
    async def start(self) -> None: ...
    async def stop(self) -> None: ...


class Guard:
    """One server and the task that watches it."""

    def __init__(self, name: str, server: Server, say: Callable[[str], None]) -> None:
        self.name = name
        self._server = server
        self._say = say
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Start the server, then begin to watch it. Raises what its `start` raises."""
        await self._server.start()
        self._task = asyncio.create_task(self._watch(), name=f"guard {self.name}")

    async def stop(self) -> None:
        """Watch no longer, and stop the server."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
        await self._server.stop()

    async def _watch(self) -> None:
        pause = LOOK_SECONDS
        while True:
            await asyncio.sleep(pause)
            if self._server.running:
                pause = LOOK_SECONDS
                continue
            self._say(f"{self.name} died; starting it again")
            pause = min(pause * 2, LONGEST_PAUSE)
            await self._again()

    async def _again(self) -> None:
        try:
            await self._server.stop()
            await self._server.start()
        except AutomatorError as error:
            self._say(f"{self.name}: {error.line()}")
