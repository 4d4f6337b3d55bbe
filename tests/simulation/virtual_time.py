"""An event loop whose time jumps to the next thing that is due: hours pass as fast as the code runs. No sockets."""

import asyncio
import selectors
from collections.abc import Coroutine, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

T = TypeVar("T")

BEGAN = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


class _Jump(selectors.DefaultSelector):
    """Waits for nothing: the loop's time moves on by what it was ready to wait."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0

    def select(self, timeout: float | None = None) -> Sequence[tuple[selectors.SelectorKey, int]]:  # type: ignore[override]  # a list there
        assert timeout is not None, "everything waits for something that never comes"
        self.now += max(0.0, timeout)
        return super().select(0)


class VirtualLoop(asyncio.SelectorEventLoop):
    """`time()` is virtual, and with it every sleep and timeout."""

    def __init__(self) -> None:
        self._jump = _Jump()
        super().__init__(self._jump)

    def time(self) -> float:
        """Seconds since the loop began."""
        return self._jump.now


class VirtualClock:
    """A process's clocks: the wall clock is off by `ahead`, the monotonic one began anywhere and runs at `rate`."""

    def __init__(self, ahead: timedelta = timedelta(), rate: float = 1.0, began: float = 0.0) -> None:
        self._ahead = ahead
        self._rate = rate
        self._began = began

    def now(self) -> datetime:
        """In whole milliseconds, as the real one."""
        at = BEGAN + self._ahead + timedelta(seconds=elapsed())
        return at.replace(microsecond=at.microsecond // 1000 * 1000)

    def monotonic(self) -> float:
        return self._began + self._rate * elapsed()


def elapsed() -> float:
    """Seconds of virtual time."""
    return asyncio.get_running_loop().time()


def run(main: Coroutine[Any, Any, T]) -> T:
    """Run it to its end, in virtual time."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(main)
