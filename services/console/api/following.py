"""Following work that runs by itself: what it yields, when it is quiet, and its end when nobody follows any more."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Final, TypeVar

T = TypeVar("T")
_END: Final = object()


async def followed(
    work: AsyncGenerator[T], quiet_seconds: float, running: set[asyncio.Task[None]]
) -> AsyncGenerator[T | None]:
    """What `work` yields, and None for each `quiet_seconds` without anything. Raises what `work` raises.

    The work is a task of its own, kept in `running` until it has ended: a follower that leaves cancels it once, and it
    can still tidy up. (The server cancels a response again and again, which would end that, too.)
    """
    news: asyncio.Queue[T | object] = asyncio.Queue()
    task = asyncio.create_task(_walk(work, news))
    running.add(task)
    task.add_done_callback(running.discard)
    try:
        while True:
            try:
                one = await asyncio.wait_for(news.get(), quiet_seconds)
            except TimeoutError:
                yield None
                continue
            if one is _END:
                break
            yield one  # pyright: ignore[reportReturnType]  # only _END is no T
        await task
    finally:
        task.cancel()


async def _walk(work: AsyncGenerator[T], news: "asyncio.Queue[T | object]") -> None:
    try:
        async with aclosing(work):
            async for one in work:
                news.put_nowait(one)
    finally:
        news.put_nowait(_END)
