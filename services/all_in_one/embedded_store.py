"""The embedded store: nx-27017 (MongoDB's wire protocol on SQLite) as a process of its own, for a laptop.

Must never be reachable from another machine, and never write its log, which would repeat documents.
"""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from services.all_in_one.launch import SOURCE
from services.all_in_one.locks import hold
from services.all_in_one.process import LOOPBACK, free_ports, kill, port_answers, spawn, terminate, wait_until
from shared.domain.errors import Transient

START_SECONDS: Final = 20.0
STOP_SECONDS: Final = 3.0
"""nx-27017 does not end reliably on SIGTERM. What it acknowledged is on disk, so it is killed after this."""


class EmbeddedStore:
    """One store in `folder`; `url` is the same from start to start of this object. Data stays. `more` is what its
    process finds in its environment besides, from its next start on.

    Usable as `async with EmbeddedStore(folder) as store`.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder.resolve()
        self.more: Mapping[str, str] = {}
        self.port = free_ports(1)[0]
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """MongoDB URL, without credentials: it listens on the loopback address alone."""
        return f"mongodb://{LOOPBACK}:{self.port}"

    @property
    def pids(self) -> list[int]:
        """The process, if it was started."""
        return [] if self._process is None else [self._process.pid]

    @property
    def running(self) -> bool:
        """Whether the process is there."""
        return self._process is not None and self._process.poll() is None

    async def start(self, *, patience: float = 5) -> None:
        """Start and wait until the port answers, about 0.3 s.

        Waits up to `patience` seconds for another store on this folder to end. Raises ConfigurationError or Transient.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        self.folder.chmod(0o700)
        (self.folder / "pid").unlink(missing_ok=True)
        lock = await hold(self.folder / "lock", "a store already runs on this folder", "stop it first", patience)
        try:
            with self._complaints().open("wb") as complaints:
                self._process = spawn(self._command(), env=self._environment(), output=complaints, keep=(lock,))
        finally:
            os.close(lock)
        await wait_until(lambda: not self.running or port_answers(self.port), START_SECONDS)
        if not (self.running and port_answers(self.port)):
            await self.kill()
            raise Transient(
                "the embedded store did not start", where=str(self._complaints()), remedy=self._last_words()
            )

    async def stop(self) -> None:
        """SIGTERM, and SIGKILL after 3 s. Nothing that was acknowledged is lost by it."""
        if self._process is not None:
            await terminate(self._process, grace=STOP_SECONDS)

    async def kill(self) -> None:
        """kill -9, as a power cut would."""
        if self._process is not None:
            await kill(self._process)

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    def _command(self) -> list[str]:
        files = ["--data-dir", str(self.folder / "data"), "--pid-file", str(self.folder / "pid")]
        return [
            sys.executable,
            "-m",
            "services.all_in_one.embedded_server",
            *files,
            "--log-file",
            os.devnull,
            "--host",
            LOOPBACK,
            "-p",
            str(self.port),
        ]

    def _environment(self) -> dict[str, str]:
        own = {"PATH": os.defpath, "LANG": "C.UTF-8", "HOME": str(self.folder), "PYTHONPATH": str(SOURCE)}
        return {**own, **self.more}

    def _complaints(self) -> Path:
        """Where it says why it could not start; its log proper is off."""
        file = self.folder / "complaints.log"
        file.touch(mode=0o600)
        return file

    def _last_words(self) -> str:
        return " ".join(self._complaints().read_text(errors="replace").splitlines()[-1:]) or "it gave no reason"
