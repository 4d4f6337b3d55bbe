"""Calls that come while one is under way go to the store together, in one round trip: the busier a process is, the
fewer round trips a mail costs. None waits for a timer, and one that comes alone goes at once."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

A = TypeVar("A")
B = TypeVar("B")

MOST = 32
"""Callers that go together. Each brings up to a batch of a stage."""


class Together(Generic[A, B]):
    """`carry` does what several callers ask for, and returns what each of them gets, in their order.

    If it fails for several, each is tried by itself: what is wrong with one is no trouble of its neighbours.
    """

    def __init__(self, carry: Callable[[Sequence[A]], Awaitable[Sequence[B]]]) -> None:
        self._carry = carry
        self._waiting: deque[tuple[A, asyncio.Future[B]]] = deque()
        self._work: asyncio.Task[None] | None = None

    async def __call__(self, asked: A) -> B:
        """What `carry` returns for this. Raises what it raises. It is carried out even if the caller is cancelled."""
        answer = asyncio.get_running_loop().create_future()
        self._waiting.append((asked, answer))
        if self._work is None:
            self._work = asyncio.create_task(self._until_done())
        return await answer

    async def _until_done(self) -> None:
        under_way: list[tuple[A, asyncio.Future[B]]] = []
        try:
            while self._waiting:
                under_way = [self._waiting.popleft() for _ in range(min(MOST, len(self._waiting)))]
                for (_, answer), result in zip(under_way, await self._results(under_way), strict=True):
                    _settle(answer, result)
        finally:
            for _, answer in (*under_way, *self._waiting):
                answer.cancel()  # only those that are not settled: this process ends
            self._waiting.clear()
            self._work = None

    async def _results(self, calls: Sequence[tuple[A, asyncio.Future[B]]]) -> Sequence[B | BaseException]:
        try:
            return await self._carry([asked for asked, _ in calls])
        except Exception as error:  # noqa: BLE001 - whatever it is, it is the callers'
            if len(calls) == 1:
                return [error]
        return await asyncio.gather(*(self._alone(asked) for asked, _ in calls), return_exceptions=True)

    async def _alone(self, asked: A) -> B:
        (result,) = await self._carry([asked])
        return result


def _settle(answer: "asyncio.Future[B]", result: B | BaseException) -> None:
    if answer.done():
        return
    if isinstance(result, BaseException):
        answer.set_exception(result)
    else:
        answer.set_result(result)
