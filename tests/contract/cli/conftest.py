"""The real command as a process of its own, against a real private store."""

import asyncio
import io
import os
import signal
import subprocess
import sys
import uuid
from collections.abc import Awaitable, Callable, Mapping
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar
from unittest.mock import patch

import pytest
from pydantic import SecretStr

from services.console.cli.main import main
from shared.runtime.clock import Clock
from shared.store.client import Store
from shared.store.keys import create_key_file
from shared.store.settings import StoreSettings
from tests.support.canary import check

T = TypeVar("T")
COMMAND = Path(sys.executable).with_name("mail-automator")


@dataclass(frozen=True)
class Answer:
    """What a command said."""

    code: int
    out: str
    errors: list[str]


@dataclass(frozen=True)
class Line:
    """The command line of a person with a store of their own."""

    settings: StoreSettings
    home: Path

    def __call__(self, *arguments: str, stdin: str = "", **environ: str) -> Answer:
        """Run the installed command as a process of its own."""
        env, command = self.environment(environ), [COMMAND, *arguments]
        ran = subprocess.run(command, check=False, input=stdin, env=env, capture_output=True, text=True, timeout=60)
        assert "Traceback" not in ran.stdout + ran.stderr
        check(ran.stdout + ran.stderr, "the output of a command")
        return Answer(ran.returncode, ran.stdout, ran.stderr.splitlines())

    def start(self, *arguments: str, **environ: str) -> subprocess.Popen[str]:
        """Start the installed command; whoever starts it ends it. Ctrl-C reaches it, though we may be in a background
        job, where SIGINT is ignored and children inherit that."""
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        return subprocess.Popen(
            [COMMAND, *arguments],
            env=self.environment(environ),
            text=True,
            start_new_session=True,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509 - one call, already loaded
            **pipes,
        )

    def here(self, *arguments: str, stdin: str = "", **environ: str) -> Answer:
        """The same without the process, which takes most of the time: for what another test ran as a process."""
        out, err, given = io.StringIO(), io.StringIO(), io.TextIOWrapper(io.BytesIO(stdin.encode()))
        with (
            patch.dict(os.environ, self.environment(environ), clear=True),
            patch.object(sys, "stdin", given),
            redirect_stdout(out),
            redirect_stderr(err),
        ):
            code = main(arguments)
        check(out.getvalue() + err.getvalue(), "the output of a command")
        return Answer(code, out.getvalue(), err.getvalue().splitlines())

    def environment(self, more: Mapping[str, str]) -> dict[str, str]:
        """What a command finds in its environment."""
        return {
            "PATH": os.defpath,
            "LANG": "C.UTF-8",
            "HOME": str(self.home),
            "MAIL_AUTOMATOR_STORE_URL": self.settings.url.get_secret_value(),
            "MAIL_AUTOMATOR_STORE_DATABASE": self.settings.database,
            "MAIL_AUTOMATOR_STORE_KEY_FILE": str(self.settings.key_file),
            **more,
        }

    def store(self, work: Callable[[Store], Awaitable[T]]) -> T:
        """Do something with the store directly: `work` is an async function of it."""

        async def opened() -> T:
            store = await Store.open(self.settings, clock=Clock())
            try:
                return await work(store)
            finally:
                await store.close()

        return asyncio.run(opened())

    def file(self, text: str, name: str = "config.yaml") -> str:
        """A file with that text; returns its path."""
        path = self.home / name
        path.write_text(text)
        return str(path)


@pytest.fixture
def cli(store_url: str, tmp_path: Path) -> Line:
    """The command line over an empty database of this test alone, with a key for secrets."""
    key = tmp_path / "key"
    create_key_file(key)
    settings = StoreSettings(url=SecretStr(store_url), database=f"cli_{uuid.uuid4().hex[:12]}", key_file=key)
    return Line(settings, tmp_path)
