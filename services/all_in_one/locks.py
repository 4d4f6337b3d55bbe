"""One user per folder, by flock(2): the lock goes when its last holder dies, however it dies. No pid files."""

import asyncio
import fcntl
import os
from pathlib import Path

from shared.domain.errors import ConfigurationError


async def hold(file: Path, what: str, remedy: str, seconds: float = 0) -> int:
    """Take the lock, waiting up to `seconds` for a former holder to end. Returns the descriptor to close later.

    A child that gets the descriptor (`pass_fds`) holds the lock with us. Raises ConfigurationError.
    """
    loop = asyncio.get_running_loop()
    deadline = loop.time() + seconds
    descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if loop.time() >= deadline:
                os.close(descriptor)
                raise ConfigurationError(what, where=str(file.parent), remedy=remedy, code="folder_in_use") from None
            await asyncio.sleep(0.2)
        else:
            return descriptor
