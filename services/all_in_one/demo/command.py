"""Runs `mail-automator` on the demo's system, as a person would: its own process, its own exit code."""

import asyncio
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

PROGRAM: Final = Path(sys.executable).with_name("mail-automator")
"""Installed beside the Python that runs us."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a command said and how it ended."""

    code: int
    output: str
    errors: str


async def mail_automator(data: Path, *arguments: str, environ: Mapping[str, str], seconds: float = 60) -> Answer:
    """`mail-automator --data DIR ...`. Raises TimeoutError (the command is killed) after `seconds`."""
    process = await asyncio.create_subprocess_exec(
        PROGRAM, "--data", str(data), *arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=dict(environ)
    )
    try:
        async with asyncio.timeout(seconds):
            output, errors = await process.communicate()
    except BaseException:
        process.kill()
        raise
    return Answer(process.returncode or 0, output.decode(errors="replace"), errors.decode(errors="replace"))
