"""`python -m services.all_in_one` as a person runs it: starts, restarts, refuses a second, leaves nothing behind."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import httpx

from services.all_in_one.process import free_ports, wait_until
from services.all_in_one.settings import PIPELINE
from tests.support.canary import WORD, check_file
from tests.support.processes import alive, descendants, session_of

READY_SECONDS = 60


@contextmanager
def _all_in_one(data: Path, log: IO[bytes], **environ: str) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(
        [sys.executable, "-m", "services.all_in_one", "--data", str(data)],
        env={**os.environ, **environ},
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        check_file(data.parent / "log", "the log of the services")


async def _ready(process: subprocess.Popen[bytes], log: Path) -> None:
    assert await wait_until(lambda: "] ready; data in " in log.read_text() or process.poll() is not None, READY_SECONDS)
    assert process.poll() is None, log.read_text()[-3000:]


async def test_it_restarts_what_dies_refuses_a_second_and_nothing_outlives_it(tmp_path: Path) -> None:
    """Twice on one folder: killed the first time, told to stop the second time. The key and the data stay."""
    data, log = tmp_path / "data", tmp_path / "log"
    with log.open("wb") as out, _all_in_one(data, out) as process:
        await _ready(process, log)
        endpoints = json.loads((data / "endpoints.json").read_text())
        assert list(endpoints["services"]) == list(PIPELINE)
        assert endpoints["event_source"] == "/mail-automator"
        for name in ("endpoints.json", "store.key", "lock"):
            assert (data / name).stat().st_mode & 0o077 == 0, name
        key = (data / "store.key").read_bytes()
        assert await _api_answers(data, endpoints["api"][0]) == 200

        second = await asyncio.to_thread(_run, data)
        assert second.returncode == 78
        assert second.stdout.decode().splitlines()[-1].startswith("error: all_in_one: another all_in_one runs on this")
        assert (data / "endpoints.json").exists()

        victim = _pid_of("services.classifier", process.pid)
        os.kill(victim, signal.SIGKILL)
        assert await wait_until(lambda: _pid_of("services.classifier", process.pid) not in (0, victim), 20)

        sessions = {session_of(pid) for pid in descendants(process.pid)}
        assert len(sessions) >= len(PIPELINE) + 3  # the store, RabbitMQ and its epmd
        os.kill(process.pid, signal.SIGKILL)
        assert await wait_until(lambda: not alive(*sessions), 20), alive(*sessions)

    with log.open("wb") as out, _all_in_one(data, out) as process:
        await _ready(process, log)
        assert (data / "store.key").read_bytes() == key
        sessions = {session_of(pid) for pid in descendants(process.pid)}
        process.send_signal(signal.SIGTERM)
        assert await wait_until(lambda: process.poll() is not None, 40)
        assert process.returncode == 0
    assert await wait_until(lambda: not alive(*sessions), 5), alive(*sessions)
    assert not (data / "endpoints.json").exists()


async def test_a_wrong_setting_is_one_clear_line_and_nothing_is_left(tmp_path: Path) -> None:
    done = await asyncio.to_thread(_run, tmp_path / "data", MAIL_AUTOMATOR_ALL_IN_ONE_SERVICES='{"flter": 2}')
    assert done.returncode == 78
    [line] = [line for line in done.stdout.decode().splitlines() if line.startswith("error:")]
    assert line == (
        "error: all_in_one: flter is not a service -> "
        "name some of fetcher, filter, classifier, ticket_writer, notifier, bookkeeper, console"
    )
    assert b"Traceback" not in done.stdout


async def test_a_broker_that_does_not_answer_is_one_clear_line_without_its_password(tmp_path: Path) -> None:
    url = f"amqp://user:{WORD}@127.0.0.1:{free_ports(1)[0]}/"
    done = await asyncio.to_thread(_run, tmp_path / "data", MAIL_AUTOMATOR_BROKER_URL=url)
    assert done.returncode == 69
    last = done.stdout.decode().splitlines()[-1]
    assert last.startswith("error: all_in_one: RabbitMQ does not answer")
    assert last.endswith("-> start it, or correct MAIL_AUTOMATOR_BROKER_URL")
    assert WORD.encode() not in done.stdout and b"Traceback" not in done.stdout


def _run(data: Path, **environ: str) -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-m", "services.all_in_one", "--data", str(data)]
    return subprocess.run(
        command,
        env={**os.environ, **environ},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=60,
        check=False,
    )


async def _api_answers(data: Path, url: str) -> int:
    """What the HTTP API says to a token that was made for it."""
    command = [Path(sys.executable).with_name("mail-automator"), "--data", data, "token", "create", "laptop"]
    made = await asyncio.to_thread(subprocess.run, command, check=True, capture_output=True, text=True, timeout=60)
    async with httpx.AsyncClient() as client:
        headers = {"Authorization": f"Bearer {made.stdout.strip()}"}
        return (await client.get(f"{url}/api/v1/health", headers=headers)).status_code


def _pid_of(module: str, parent: int) -> int:
    """The process id of the child that runs this module, or 0."""
    for pid in descendants(parent):
        try:
            if module.encode() in Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0"):
                return pid
        except (FileNotFoundError, ProcessLookupError):
            continue
    return 0
