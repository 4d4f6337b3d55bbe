"""Single processes of the world: one that stands still, one that is started anew with more in its environment."""

import asyncio
import contextlib
import os
import signal
import urllib.request
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from email.utils import parsedate_to_datetime

from services.all_in_one.process import wait_for, wait_until
from services.all_in_one.rabbitmq import RabbitMQ
from services.all_in_one.readiness import ready
from services.all_in_one.supervisor import Kept
from tests.chaos.world import World

CONTROL = "/usr/lib/rabbitmq/bin/rabbitmqctl"


def of(world: World, *services: str) -> list[Kept]:
    """What is kept running of these services, each replica."""
    return [one for one in world.system.supervisor.kept if one.program.name in services]


@contextlib.contextmanager
def frozen(pids: Iterable[int]) -> Iterator[None]:
    """While entered these processes stand still (SIGSTOP, SIGCONT)."""
    still = list(pids)
    for pid in still:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in still:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)


@contextlib.asynccontextmanager
async def environment(kept: Sequence[Kept], more: Mapping[str, str]) -> AsyncIterator[None]:
    """While entered these programs run with more in their environment: they are started anew at both ends.

    At the end they are killed: whatever they hold at that moment is left to the others.
    """
    before = {id(one): one.program for one in kept}
    try:
        for one in kept:
            one.program = replace(one.program, env={**one.program.env, **more})
        await _anew(kept, signal.SIGTERM)
        yield
    finally:
        for one in kept:
            one.program = before[id(one)]
        await _anew(kept, signal.SIGKILL)


async def _anew(kept: Sequence[Kept], number: signal.Signals) -> None:
    pids = {id(one): one.pid for one in kept}
    for pid in filter(None, pids.values()):
        os.kill(pid, number)
    for one in kept:
        assert await wait_until(lambda one=one: one.pid not in (0, pids[id(one)]), 60)
        assert await wait_for(lambda one=one: ready(one.program.admin_port), 60)


async def asked(kept: Kept, path: str) -> str:
    """What a process answers on its admin port, for example to /metrics; empty if it does not."""
    try:
        return (await asyncio.to_thread(_get, f"http://127.0.0.1:{kept.program.admin_port}{path}"))[0]
    except OSError:
        return ""


async def clock_of(kept: Kept) -> datetime:
    """What time it is for a process: it says so in the head of every answer of its admin port (RFC 9110, Date)."""
    url = f"http://127.0.0.1:{kept.program.admin_port}/livez"
    return parsedate_to_datetime((await asyncio.to_thread(_get, url))[1])


def _get(url: str) -> tuple[str, str]:
    with urllib.request.urlopen(url, timeout=5) as answer:
        return answer.read().decode(), answer.headers["Date"]


async def rabbitmqctl(node: RabbitMQ, *arguments: str) -> str:
    """The output of rabbitmqctl on a private node."""
    process = await asyncio.create_subprocess_exec(
        CONTROL, "--quiet", *arguments, env=node.environment, stdout=asyncio.subprocess.PIPE
    )
    out, _ = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode == 0, arguments
    return out.decode()
