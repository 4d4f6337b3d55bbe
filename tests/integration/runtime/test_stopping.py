"""How a process ends when it is told to: in order if it can, at its deadline whatever hangs."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
SECONDS = 4

STARTS = """
import asyncio, threading, time
from shared.runtime.process import run_service

async def main(process):
    print("up", flush=True)
    await process.draining.wait()
    {then}

run_service("filter", main)
"""


def stop(then: str) -> tuple[int, float, str]:
    """Run a service that does this once it is told to stop: its exit code, how long it took, what it said."""
    environ = {"PATH": "/usr/bin:/bin", "PYTHONPATH": str(ROOT), "MAIL_AUTOMATOR_STOP_SECONDS": str(SECONDS)}
    command = [sys.executable, "-c", STARTS.format(then=then)]
    with subprocess.Popen(command, env=environ, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if line.startswith("up"):
                break
        began = time.monotonic()
        process.send_signal(signal.SIGTERM)
        said = process.stdout.read()
        code = process.wait(SECONDS + 10)
    return code, time.monotonic() - began, said


def test_a_process_that_drains_ends_at_once_and_in_order() -> None:
    code, seconds, said = stop("pass")
    assert (code, seconds < SECONDS) == (0, True), said


def test_work_that_waits_for_ever_is_dropped_shortly_before_the_deadline() -> None:
    """A broker that never confirms, for example; clean-up still runs."""
    code, seconds, said = stop(
        "\n    ".join(("try:", "    await asyncio.Event().wait()", "finally:", "    print('cleaned up', flush=True)"))
    )
    assert code == 0, said
    assert seconds < SECONDS + 1
    assert "stop_hangs" in said
    assert "cleaned up" in said


@pytest.mark.parametrize(
    "then",
    [
        pytest.param("await asyncio.to_thread(time.sleep, 60)", id="a thread that never returns"),
        pytest.param("time.sleep(60)", id="a loop that is stuck"),
    ],
)
def test_what_cannot_be_dropped_is_ended_at_the_deadline_with_a_clear_line(then: str) -> None:
    """A driver's thread in a hung store holds up even the interpreter's exit."""
    code, seconds, said = stop(then)
    assert code == 75, said
    assert seconds < SECONDS + 2
    assert f"error: filter: not stopped within {SECONDS} s" in said
