"""Operating-system processes of our own: started so that they die with us, stopped with a deadline.

Must never look for a process by name, and never signal one that it did not start.
"""

import asyncio
import contextlib
import ctypes
import os
import random
import signal
import socket
import subprocess
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import IO, Final

PR_SET_PDEATHSIG: Final = 1
LOOPBACK: Final = "127.0.0.1"
_PORTS: Final = range(20_000, 32_000)
"""Below the range that Linux hands out to outgoing connections, so that none of those takes a port we chose."""

Output = int | IO[bytes]


def spawn(
    argv: Sequence[str | Path],
    *,
    env: Mapping[str, str],
    output: Output = subprocess.DEVNULL,
    death_signal: signal.Signals = signal.SIGKILL,
    keep: Sequence[int] = (),
) -> subprocess.Popen[bytes]:
    """Start a process in a session of its own, so that a terminal's Ctrl-C does not reach it.

    It gets `death_signal` when this process dies, however that happens (prctl(2), PR_SET_PDEATHSIG): the calling
    thread must therefore live as long as the child should. `output` takes both stdout and stderr;
    `keep` are descriptors that it inherits.

    Our processes share a few cores, and each wakes others with whatever it hands on: so none of them is interrupted by
    one that wakes up (sched(7), SCHED_BATCH), and what is handed on together is found together.
    """
    prctl = ctypes.CDLL(None).prctl

    def in_the_child() -> None:
        prctl(PR_SET_PDEATHSIG, int(death_signal), 0, 0, 0)
        with contextlib.suppress(OSError):  # a sandbox may forbid it
            os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))

    return subprocess.Popen(  # noqa: S603 - fixed programs, no shell
        [str(part) for part in argv],
        env=dict(env),
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
        start_new_session=True,
        pass_fds=keep,
        preexec_fn=in_the_child,  # noqa: PLW1509 - two system calls on functions that are already loaded
    )


def signal_group(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    """Signal the whole session that `spawn` opened; nothing happens if all of it is gone."""
    try:
        os.killpg(process.pid, number)
    except (ProcessLookupError, PermissionError):
        return


async def wait_for_exit(process: subprocess.Popen[bytes], seconds: float) -> bool:
    """Whether the process ended (and was reaped) within `seconds`."""
    return await wait_until(lambda: process.poll() is not None, seconds)


async def terminate(process: subprocess.Popen[bytes], *, grace: float) -> None:
    """SIGTERM, up to `grace` seconds to end, then SIGKILL to it and to whatever it left in its session."""
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        await wait_for_exit(process, grace)
    await kill(process)


async def kill(process: subprocess.Popen[bytes]) -> None:
    """SIGKILL to the process and its session, and reap it."""
    signal_group(process, signal.SIGKILL)
    await wait_for_exit(process, 10)


async def wait_until(ready: Callable[[], bool], seconds: float, *, every: float = 0.05) -> bool:
    """Whether `ready()` came true within `seconds`; asked at least once."""
    clock = asyncio.get_running_loop()
    deadline = clock.time() + seconds
    while not ready():
        if clock.time() >= deadline:
            return False
        await asyncio.sleep(every)
    return True


async def wait_for(ready: Callable[[], Awaitable[bool]], seconds: float, *, every: float = 0.1) -> bool:
    """Like `wait_until`, for a question that is asked asynchronously."""
    clock = asyncio.get_running_loop()
    deadline = clock.time() + seconds
    while not await ready():
        if clock.time() >= deadline:
            return False
        await asyncio.sleep(every)
    return True


def free_ports(count: int) -> list[int]:
    """`count` different ports that nobody listens on at this moment, on the loopback address."""
    found: list[int] = []
    while len(found) < count:
        port = random.choice(_PORTS)  # noqa: S311 - not a secret
        if port not in found and port_is_free(port):
            found.append(port)
    return found


def port_is_free(port: int) -> bool:
    """Whether a server could listen on this port of the loopback address."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True


def port_answers(port: int) -> bool:
    """Whether something accepts connections on this port of the loopback address."""
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex((LOOPBACK, port)) == 0
