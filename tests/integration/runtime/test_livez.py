"""What an image's HEALTHCHECK says, over real HTTP."""

import asyncio
import os
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import asynccontextmanager

import pytest

from shared.runtime import admin, livez
from shared.runtime.process import Process


class Still(Process):
    """One whose work loop stands still."""

    def hung(self) -> tuple[str, ...]:
        return ("the work loop classifier 1 hangs",)


@asynccontextmanager
async def serving(process: Process, host: str = "127.0.0.1") -> AsyncGenerator[str]:
    """Its admin port."""
    listener = admin.bind(host, 0)
    server = admin.server(process)
    task = asyncio.create_task(server.serve(sockets=[listener]))
    yield str(listener.getsockname()[1])
    server.should_exit = True
    await task


Told = Callable[..., Coroutine[None, None, int]]


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> Told:
    """The exit code under variables; asked from a thread, because the process that answers is this one."""

    async def ask(**given: str) -> int:
        for name, value in given.items():
            monkeypatch.setenv(f"MAIL_AUTOMATOR_ADMIN_{name.upper()}", value)
        return await asyncio.to_thread(livez.main, dict(os.environ))

    return ask


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0"])
async def test_a_process_that_lives_is_healthy_wherever_it_listens(
    host: str, told: Told, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whether it is ready or not."""
    process = Process("filter", {})
    process.ready("broker", False)
    async with serving(process, host) as port:
        assert await told(host=host, port=port) == 0
    assert capsys.readouterr().out == "ok\n"


async def test_a_process_whose_loop_stands_still_is_not(told: Told, capsys: pytest.CaptureFixture[str]) -> None:
    """Though it answers."""
    async with serving(Still("filter", {})) as port:
        assert await told(port=port) == 1
    assert capsys.readouterr().out == "the work loop classifier 1 hangs\n"


async def test_where_nobody_answers_the_reason_is_one_line(told: Told, capsys: pytest.CaptureFixture[str]) -> None:
    with admin.bind("127.0.0.1", 0) as taken:
        port = str(taken.getsockname()[1])
    assert await told(port=port) == 1
    assert "refused" in capsys.readouterr().out


@pytest.mark.parametrize("port", ["", "0", "many"])
async def test_a_port_that_nobody_can_know_is_said_to_be_the_reason(
    port: str, told: Told, capsys: pytest.CaptureFixture[str]
) -> None:
    """Not set, any free one, or none."""
    assert await (told(port=port) if port else told()) == 1
    said = capsys.readouterr().out
    assert "MAIL_AUTOMATOR_ADMIN_PORT" in said
    assert said.count("\n") == 1
