"""A disk that can be full: a small file system (tmpfs) in the place of a folder. Needs root."""

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

BLOCK = 4096


@contextlib.contextmanager
def small_disk(folder: Path, room: int) -> Iterator[None]:
    """While entered, what is in `folder` lies on a file system of its own, with `room` bytes free at first.

    Whoever works in the folder must stand still at both ends.
    """
    aside = folder.with_name(f"{folder.name}.aside")
    size = _bytes_in(folder) + room
    folder.rename(aside)
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)], check=True)
    try:
        shutil.copytree(aside, folder, dirs_exist_ok=True)
        shutil.rmtree(aside)
        yield
        shutil.copytree(folder, aside)
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)
    folder.rmdir()
    aside.rename(folder)


def fill(file: Path) -> None:
    """Write until there is no byte left."""
    with file.open("wb", buffering=0) as ballast, contextlib.suppress(OSError):
        while True:
            ballast.write(bytes(BLOCK))


def free_bytes(folder: Path) -> int:
    """What is left."""
    found = os.statvfs(folder)
    return found.f_bavail * found.f_frsize


def _bytes_in(folder: Path) -> int:
    return sum(-(-file.stat().st_size // BLOCK) * BLOCK for file in folder.rglob("*") if file.is_file())
