"""A disk that can be full: a small file system (tmpfs) in the place of a folder. Needs root.

Only this thread and the processes that it starts from then on see it: whatever kills them, no mount is left behind.
"""

import contextlib
import ctypes
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

BLOCK = 4096
CLONE_NEWNS = 0x20000
"""A mount namespace of one's own (unshare(2))."""


@contextlib.contextmanager
def small_disk(folder: Path, room: int) -> Iterator[None]:
    """While entered, what is in `folder` lies on a file system of its own, with `room` bytes free at first.

    Whoever works in the folder must stand still at both ends.
    """
    aside = folder.with_name(f"{folder.name}.aside")
    size = _bytes_in(folder) + room
    folder.rename(aside)
    folder.mkdir()
    _mounts_of_our_own()
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


def _mounts_of_our_own() -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEWNS):
        raise OSError(ctypes.get_errno(), "no mount namespace of our own; this needs root")
    subprocess.run(["mount", "--make-rprivate", "/"], check=True)


def _bytes_in(folder: Path) -> int:
    return sum(-(-file.stat().st_size // BLOCK) * BLOCK for file in folder.rglob("*") if file.is_file())
