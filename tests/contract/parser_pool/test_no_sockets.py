"""What a parser process may not do: the kernel itself refuses it sockets, whatever code runs in it."""

import asyncio
import json
import sys
from pathlib import Path

import pytest

from services.filter import no_sockets
from services.filter.parser_pool import ParserPool
from tests.support.mails import mail

ROOT = Path(no_sockets.__file__).parents[2]
BY_PYTHON = "socket.socket(*where)"
BY_THE_C_LIBRARY = "call = ctypes.CDLL(None, use_errno=True).socket(*map(int, where), 0); check(call)"
BY_NUMBER = (
    "numbers = {'x86_64': 41, 'aarch64': 198}; "
    "check(ctypes.CDLL(None, use_errno=True).syscall(numbers[platform.machine()], *map(int, where), 0))"
)
IN_A_CHILD = "subprocess.run([sys.executable, '-c', 'import socket; socket.socket()'], check=True, stderr=-3)"


async def _outcome(attempt: str, confine: str) -> str:
    """What comes of an attempt in a process that was confined so."""
    script = (
        "import ctypes, json, os, platform, socket, subprocess, sys\n"
        "def check(result):\n"
        "    if result < 0: raise OSError(ctypes.get_errno(), 'refused')\n"
        f"{confine}\n"
        "told = []\n"
        "for where in ((socket.AF_INET, socket.SOCK_STREAM), (socket.AF_INET6, socket.SOCK_DGRAM),\n"
        "              (socket.AF_UNIX, socket.SOCK_STREAM)):\n"
        "    try:\n"
        f"        {attempt}\n"
        "        told.append('open')\n"
        "    except (OSError, subprocess.CalledProcessError) as error:\n"
        "        told.append(f'{type(error).__name__} {getattr(error, \"errno\", 0)}')\n"
        "print(json.dumps(told))\n"
    )
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", script, stdout=asyncio.subprocess.PIPE, cwd=ROOT
    )
    out, _ = await process.communicate()
    assert process.returncode == 0
    (told,) = set(json.loads(out))
    return told


CONFINED = "from services.filter.no_sockets import forbid_sockets; assert forbid_sockets()"
BY_HOOK = "from services.filter import no_sockets; no_sockets._MACHINES.clear(); assert not no_sockets.forbid_sockets()"


@pytest.mark.parametrize(
    ("attempt", "refusal"),
    [
        (BY_PYTHON, "PermissionError 13"),
        (BY_THE_C_LIBRARY, "PermissionError 13"),
        (BY_NUMBER, "PermissionError 13"),
        (IN_A_CHILD, "CalledProcessError 0"),
    ],
)
async def test_a_confined_process_and_its_children_open_no_socket(attempt: str, refusal: str) -> None:
    assert await _outcome(attempt, "") == "open", "it would be possible"
    assert await _outcome(attempt, CONFINED) == refusal


async def test_where_the_kernel_does_not_help_python_refuses() -> None:
    assert await _outcome(BY_PYTHON, BY_HOOK) == "PermissionError 13"


async def test_the_workers_of_the_pool_are_confined_and_parse() -> None:
    """Seccomp: 2 is a filter (proc(5))."""
    pool = ParserPool(1, large=1)
    await pool.start()
    try:
        for pid in pool.pids:
            status = dict(
                line.split(":\t", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines() if ":\t" in line
            )
            assert (status["Seccomp"], status["NoNewPrivs"]) == ("2", "1")
        assert len(await pool.parse([mail(html="<p>x</p>")])) == 1
    finally:
        await pool.close()
