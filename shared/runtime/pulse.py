"""The pulse of a process: each of its work loops says that it gets on. /livez judges by this and by nothing else.

A loop that waits for work ticks every second or so: a minute of silence, and it hangs. One that is at work ticks
whenever a part of it is done. It may be silent for longer, because each step has a deadline of its own (a store that
does not answer, a broker that does not confirm, a mail that holds its parser): a slow store must not restart the fleet.

No loop hides another: one that hangs shows, however well its neighbours do.
"""

from collections.abc import Callable, Generator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

WAITING_SECONDS = 60.0
WORKING_SECONDS = 300.0


@dataclass(slots=True, eq=False)
class _Loop:
    """A work loop: when it last ticked (monotonic), what it is at, and how long it may be silent."""

    name: str
    ticked: float
    work: str = ""
    within: float = WAITING_SECONDS


_OURS: ContextVar[_Loop | None] = ContextVar("work_loop", default=None)
"""The loop that a task belongs to; the tasks that it starts inherit it."""


class Pulse:
    """The work loops of one process. Until one is named, the process itself is the only one."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._main = _Loop("main", monotonic())
        self._loops = [self._main]

    def tick(self) -> None:
        """The loop of the task that calls this gets on."""
        self._current().ticked = self._monotonic()

    @contextmanager
    def loop(self, name: str) -> Generator[None, None, None]:
        """Inside, this task and those that it starts are a loop of this name."""
        loop = _Loop(name, self._monotonic())
        self._loops = [*(one for one in self._loops if one is not self._main), loop]
        token = _OURS.set(loop)
        try:
            yield
        finally:
            _OURS.reset(token)
            self._loops.remove(loop)

    @contextmanager
    def at(self, work: str, within: float = WORKING_SECONDS) -> Generator[None, None, None]:
        """Inside, the loop is at this work (a few words, no text of mails), and may be silent for so many seconds."""
        loop = self._current()
        before = loop.work, loop.within
        loop.work, loop.within, loop.ticked = work, within, self._monotonic()
        try:
            yield
        finally:
            (loop.work, loop.within), loop.ticked = before, self._monotonic()

    def hung(self) -> tuple[str, ...]:
        """A sentence for each loop that does not get on."""
        now = self._monotonic()
        return tuple(_sentence(one, now - one.ticked) for one in self._loops if now - one.ticked >= one.within)

    def _current(self) -> _Loop:
        loop = _OURS.get()
        return loop if loop is not None and loop in self._loops else self._main


def _sentence(loop: _Loop, seconds: float) -> str:
    return f"the work loop {loop.name} hangs: {loop.work or 'waiting for work'}, nothing done for {seconds:.0f} s"
