"""The version before this one, from the history of this repository: what runs beside today's during an upgrade."""

import asyncio
import io
import tarfile
from pathlib import Path

ROOT = Path(__file__).parents[2]
FIRST = "666e042"
"""What counts as the version before while there is no release: without imports, readings on request, and flags."""


class NoHistory(Exception):
    """This is no clone of the repository, or a shallow one."""


async def version_before() -> str:
    """The newest release that is not what is checked out; FIRST if there is none."""
    tags = (await _git("tag", "--list", "v*", "--sort=-version:refname", "--no-contains", "HEAD")).decode().split()
    return tags[0] if tags else FIRST


async def source_of(commit: str, folder: Path) -> Path:
    """`services` and `shared` at that commit, in that folder. Raises NoHistory."""
    archive = await _git("archive", commit, "services", "shared")
    with tarfile.open(fileobj=io.BytesIO(archive)) as files:
        # A filter, which Debian's Python 3.11 does not know yet, would protect from archives of others: it is our own.
        files.extractall(folder)
    return folder


async def _git(*arguments: str) -> bytes:
    pipe = asyncio.subprocess.PIPE
    try:
        git = await asyncio.create_subprocess_exec("git", "-C", str(ROOT), *arguments, stdout=pipe, stderr=pipe)
    except FileNotFoundError:
        raise NoHistory("git is not installed") from None
    out, complaint = await asyncio.wait_for(git.communicate(), 30)
    if git.returncode:
        raise NoHistory(f"git {' '.join(arguments)}: {complaint.decode().strip()}")
    return out
