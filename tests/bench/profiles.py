"""Profiles of running processes, by py-spy, where it is installed (`pip install py-spy`): what the time goes into."""

import argparse
import asyncio
import shutil
import signal
import sys
from collections import Counter
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

from tests.support.pipeline import Pipeline

HERTZ = 200
SHOWN = 40


def add_profile_argument(parser: argparse.ArgumentParser) -> None:
    """`--profile DIR`."""
    parser.add_argument("--profile", type=Path, help="a folder for profiles of every process (needs py-spy)")


@asynccontextmanager
async def profiled(system: Pipeline, folder: Path | None) -> AsyncGenerator[None]:
    """Profile every Python process meanwhile, into `folder`, one file each; None: not at all."""
    if folder is None:
        yield
        return
    folder.mkdir(parents=True, exist_ok=True)
    spies = [
        await _spy(pid, folder / f"{name}-{pid}.raw")
        for name, pids in system.system.processes.items()
        if name != "rabbitmq"
        for pid in pids
    ]
    await asyncio.sleep(1)
    try:
        yield
    finally:
        for spy in spies:
            spy.send_signal(signal.SIGINT)
        await asyncio.gather(*(spy.wait() for spy in spies))
        for file in sorted(folder.glob("*.raw")):
            file.with_suffix(".txt").write_text(summary(file.read_text()))


def summary(raw: str) -> str:
    """The functions in which most time is spent, by themselves and with what they call, in percent."""
    own: Counter[str] = Counter()
    total: Counter[str] = Counter()
    for line in raw.splitlines():
        stack, _, count = line.rpartition(" ")
        frames = [_named(frame) for frame in stack.split(";")]
        own[frames[-1]] += int(count)
        total.update(dict.fromkeys(frames, int(count)))
    samples = max(1, own.total())
    rows = [("with what they call", total), ("by themselves", own)]
    return "\n".join(
        f"{title}\n" + "\n".join(f"{100 * n / samples:6.1f}  {name}" for name, n in found.most_common(SHOWN)) + "\n"
        for title, found in rows
    )


def _named(frame: str) -> str:
    function, _, place = frame.partition(" (")
    return f"{function}  {place.rpartition('site-packages/')[2].rpartition(':')[0]}"


async def _spy(pid: int, file: Path) -> asyncio.subprocess.Process:
    program = shutil.which("py-spy", path=str(Path(sys.executable).parent)) or shutil.which("py-spy")
    if program is None:
        raise SystemExit("py-spy is not installed: pip install py-spy")
    what = ("--gil", "--format", "raw", "--rate", str(HERTZ), "--output", str(file), "--pid", str(pid))
    nowhere = asyncio.subprocess.DEVNULL
    return await asyncio.create_subprocess_exec(program, "record", *what, stdout=nowhere, stderr=nowhere)
