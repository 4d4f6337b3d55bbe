"""Keeps programs running: each its own process, restarted when it dies, its output in one merged stream.

It knows nothing about mail, brokers or stores. Must never signal a process that it did not start.
"""

import asyncio
import os
import signal
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import IO, Final

from services.all_in_one.process import signal_group, spawn, wait_for_exit, wait_until

Log = Callable[[str], None]
FIRST_PAUSE: Final = 1.0
LONGEST_PAUSE: Final = 30.0
STEADY_SECONDS: Final = 30.0
"""A process that lived this long starts its back-off anew when it dies."""
LONGEST_LINE: Final = 64 * 1024


@dataclass(frozen=True, slots=True)
class Program:
    """What is to be kept running. `name` and `index` tell replicas apart; `admin_port` is the port of its /readyz,
    `api_port` that of the HTTP API, if it serves one."""

    name: str
    argv: tuple[str, ...]
    env: Mapping[str, str]
    index: int = 0
    admin_port: int = 0
    api_port: int = 0


@dataclass(slots=True)
class Kept:
    """A program and the process that runs it at the moment. `ends` are the exit codes so far."""

    program: Program
    process: subprocess.Popen[bytes] | None = None
    last_line: str = ""
    ends: list[int] = field(default_factory=list[int])

    @property
    def pid(self) -> int:
        """The process id, or 0 while there is none."""
        running = self.process is not None and self.process.poll() is None
        return self.process.pid if running and self.process is not None else 0


class Supervisor:
    """Runs a set of programs. `log` gets every line, as `service[pid] text`. A program that keeps dying is started
    again after pauses (seconds) that grow up to `longest_pause`."""

    def __init__(self, log: Log, longest_pause: float = LONGEST_PAUSE) -> None:
        self._longest_pause = longest_pause
        self._log = log
        self._kept: list[Kept] = []
        self._tasks: list[asyncio.Task[None]] = []
        self._stopping = asyncio.Event()

    @property
    def kept(self) -> tuple[Kept, ...]:
        """Everything that is kept running, in the order it was given."""
        return tuple(self._kept)

    def start(self, program: Program) -> Kept:
        """Begin to keep a program running."""
        kept = Kept(program)
        self._kept.append(kept)
        self._tasks.append(asyncio.create_task(self._keep(kept), name=f"keep {program.name} {program.index}"))
        return kept

    def say(self, text: str) -> None:
        """A line of our own in the merged stream."""
        self._log(f"all_in_one[{os.getpid()}] {text}")

    async def stop(self, drain_seconds: float) -> None:
        """SIGTERM to all at once, wait up to the deadline for them to drain, SIGKILL to the rest. All are reaped."""
        self._stopping.set()
        for kept in self._kept:
            if kept.pid:
                os.kill(kept.pid, signal.SIGTERM)
        if not await wait_until(lambda: not any(kept.pid for kept in self._kept), drain_seconds):
            late = ", ".join(kept.program.name for kept in self._kept if kept.pid)
            self.say(f"not drained after {drain_seconds:g} s, killed: {late}")
        for kept in self._kept:
            if kept.process is not None:
                signal_group(kept.process, signal.SIGKILL)
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _keep(self, kept: Kept) -> None:
        pause = FIRST_PAUSE
        clock = asyncio.get_running_loop()
        while not self._stopping.is_set():
            began = clock.time()
            await self._run_once(kept)
            if self._stopping.is_set():
                return
            pause = FIRST_PAUSE if clock.time() - began > STEADY_SECONDS else pause
            self.say(f"{kept.program.name} {_ending(kept.ends[-1])}; starting it again in {pause:g} s")
            await self._rest(pause)
            pause = min(pause * 2, self._longest_pause)

    async def _run_once(self, kept: Kept) -> None:
        """One life of the program: from its start until it is reaped and what it left in its session is gone."""
        process = spawn(kept.program.argv, env=kept.program.env, output=subprocess.PIPE)
        kept.process = process
        relay = asyncio.create_task(self._relay(kept, process))
        try:
            while not await wait_for_exit(process, 3600):
                pass
        finally:
            signal_group(process, signal.SIGKILL)
            await asyncio.wait([relay], timeout=2)
            relay.cancel()
        kept.ends.append(process.returncode)

    async def _relay(self, kept: Kept, process: subprocess.Popen[bytes]) -> None:
        if process.stdout is None:
            return
        reader, transport = await _reader(process.stdout)
        prefix = f"{kept.program.name}[{process.pid}]"
        try:
            rest = b""
            while chunk := await reader.read(LONGEST_LINE):
                *lines, rest = (rest + chunk).split(b"\n")
                lines, rest = ([*lines, rest], b"") if len(rest) > LONGEST_LINE else (lines, rest)
                for line in filter(None, lines):
                    kept.last_line = line.decode(errors="replace")
                    self._log(f"{prefix} {kept.last_line}")
        finally:
            transport.close()

    async def _rest(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._stopping.wait()
        except TimeoutError:
            return


async def _reader(pipe: IO[bytes]) -> tuple[asyncio.StreamReader, asyncio.ReadTransport]:
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader()
    transport, _ = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), pipe)
    return reader, transport


def _ending(code: int) -> str:
    """An exit code in words."""
    return f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with code {code}"
