"""Work that is done beside the rest, so that nothing else waits for it."""

import asyncio
from typing import Generic, TypeVar

T = TypeVar("T")


class Aside(Generic[T]):
    """What is handled beside the others: up to `most` at a time, a `pause` (s) after the first of them."""

    def __init__(self, most: int, pause: float = 0) -> None:
        self._most = most
        self._pause = pause
        self._queue: asyncio.Queue[T] = asyncio.Queue()

    def put(self, one: T) -> None:
        """One more."""
        self._queue.put_nowait(one)

    async def some(self) -> list[T]:
        """Some of them; none if there are none for a second."""
        try:
            async with asyncio.timeout(1):
                first = await self._queue.get()
        except TimeoutError:
            return []
        await asyncio.sleep(self._pause)
        return [first, *self._left(self._most - 1)]

    def rest(self) -> list[T]:
        """All of them."""
        return self._left(self._queue.qsize())

    def _left(self, most: int) -> list[T]:
        return [self._queue.get_nowait() for _ in range(min(self._queue.qsize(), most))]
