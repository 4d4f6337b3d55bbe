"""The supervisor, on small programs: restarts what dies, merges what is said, leaves nothing behind."""

import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from services.all_in_one.process import wait_until
from services.all_in_one.supervisor import Kept, Program, Supervisor
from tests.support.processes import alive, session_of

STEADY = "import time; print('here I am', flush=True); time.sleep(3600)"
DEAF = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); {STEADY}"
POLITE = (
    "import signal, sys, time\n"
    "def bye(*_): print('draining', flush=True); time.sleep(0.3); print('drained', flush=True); sys.exit(0)\n"
    "signal.signal(signal.SIGTERM, bye)\n" + STEADY
)
PARENT = f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', {STEADY!r}]); {STEADY}"
DYING = "import sys; print('no'); sys.exit(3)"


def _program(name: str, code: str) -> Program:
    return Program(name, (sys.executable, "-c", code), {"PATH": os.defpath})


@asynccontextmanager
async def _supervised(lines: list[str], **programs: str) -> AsyncIterator[dict[str, Kept]]:
    supervisor = Supervisor(lines.append)
    try:
        yield {name: supervisor.start(_program(name, code)) for name, code in programs.items()}
    finally:
        await supervisor.stop(drain_seconds=1.5)


async def test_a_killed_program_is_started_again_and_its_lines_carry_its_name_and_process_id() -> None:
    lines: list[str] = []
    async with _supervised(lines, steady=STEADY) as kept:
        assert await wait_until(lambda: kept["steady"].last_line == "here I am", 10)
        first = kept["steady"].pid
        os.kill(first, signal.SIGKILL)
        assert await wait_until(lambda: kept["steady"].pid not in (0, first), 10)
        second = kept["steady"].pid
        assert await wait_until(lambda: f"steady[{second}] here I am" in lines, 10)
    assert f"steady[{first}] here I am" in lines
    assert any("steady was ended by SIGKILL; starting it again in 1 s" in line for line in lines)


async def test_a_program_that_keeps_dying_is_started_again_ever_more_slowly() -> None:
    lines: list[str] = []
    async with _supervised(lines, dying=DYING) as kept:
        assert await wait_until(lambda: len(kept["dying"].ends) >= 3, 20)
        assert kept["dying"].ends[:3] == [3, 3, 3]
    pauses = [line.rpartition(" in ")[2] for line in lines if "starting it again" in line]
    assert pauses[:3] == ["1 s", "2 s", "4 s"]


async def test_stopping_lets_programs_drain_and_kills_the_deaf_and_what_they_started() -> None:
    lines: list[str] = []
    async with _supervised(lines, polite=POLITE, deaf=DEAF, parent=PARENT) as kept:
        assert await wait_until(lambda: all(one.last_line == "here I am" for one in kept.values()), 10)
        sessions = [session_of(one.pid) for one in kept.values()]
        assert await wait_until(lambda: len(alive(*sessions)) == 4, 10)
    assert any(line.endswith("] drained") for line in lines)
    assert any("not drained after 1.5 s, killed: deaf" in line for line in lines)
    assert await wait_until(lambda: not alive(*sessions), 5)


async def test_a_line_without_end_does_not_fill_the_memory() -> None:
    lines: list[str] = []
    code = "import sys; sys.stdout.write('x' * 3_000_000); print(); print('end')"
    async with _supervised(lines, endless=code) as kept:
        assert await wait_until(lambda: kept["endless"].last_line == "end", 10)
    assert max(map(len, lines)) < 200_000
    assert sum(line.count("x") for line in lines if line.startswith("endless")) >= 3_000_000


async def test_no_program_and_nothing_that_it_starts_is_interrupted_by_one_that_wakes_up() -> None:
    async with _supervised([], parent=PARENT) as kept:
        assert await wait_until(lambda: len(alive(kept["parent"].pid)) == 2, 10)
        policies = {os.sched_getscheduler(pid) for pid in alive(kept["parent"].pid)}
    assert policies == {os.SCHED_BATCH} != {os.sched_getscheduler(0)}
