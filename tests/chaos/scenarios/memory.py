"""S23: too little memory: parsers in which large mail does not fit."""

import os
import resource
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from services.filter.parser_worker import MAX_MEMORY
from shared.domain.decision import flags_of
from tests.chaos.checker import gather
from tests.chaos.oracle import Ends, Injected
from tests.chaos.scenarios.scenario import Scenario
from tests.chaos.settle import settle
from tests.chaos.traffic import TOKEN_HEADER, Kind
from tests.chaos.world import World
from tests.support.mails import Attached, mail

MEBIBYTE = 1024 * 1024
MARGIN = 12 * MEBIBYTE
"""What a parser may still take: ordinary mail fits, and what is larger than this does not."""
GREEDY = Kind("greedy", 0, Ends.TICKET, acknowledged=True)
"""A mail that does not fit kills its parser twice; then only its header is read."""

LIMITS = {"out_of_memory", "parser_crashed"}


async def out_of_memory(world: World, seconds: float) -> None:
    """Large mail, to parsers that may not grow: only its header is read, and its neighbours do not notice."""
    greedy, good = await _parsers(world)
    await _as_expected(world, greedy, good)


async def _parsers(world: World) -> tuple[list[Injected], list[Injected]]:
    """Large mails among others, while no parser gets the memory that they need."""
    greedy: list[Injected] = []
    good: list[Injected] = []
    with _confined(world):
        for _ in range(3):
            good += world.traffic.deliver(10)
            greedy.append(world.traffic.inject_any(GREEDY, lambda token, to: _large(world, token, to)))
            world.fault("a mail that does not fit into its parser")
            good += world.traffic.deliver(10)
        await settle(world, 120)
    return greedy, good


def _large(world: World, token: str, to: str) -> bytes:
    file = Attached("film.bin", world.chance.randbytes(MARGIN))
    return mail(
        sender=f"{token}@people.example", to=to, subject=token, headers={TOKEN_HEADER: token}, attachments=(file,)
    )


async def _as_expected(world: World, greedy: list[Injected], good: list[Injected]) -> None:
    """The large ones killed their parsers, and say so; the filter failed with no other."""
    seen = await gather(world, {})
    cut = [one for each in greedy for one in seen.by_token[each.token]]
    assert all(LIMITS.intersection(flags_of(one.trace)) for one in cut), cut
    entries = [one for each in good for one in seen.by_token[each.token]]
    harmed = [one.mail_id for one in entries if one.failure and one.failure.stage == "filter"]
    assert not harmed, f"neighbours were harmed: {harmed}"
    print(f"      of {len(cut)} large mails the header was read, their {len(good)} neighbours are unharmed", flush=True)


@contextmanager
def _confined(world: World) -> Iterator[None]:
    """Every parser gets MARGIN beyond what it has at its start, no more. In a thread, because it must not be late."""
    done = threading.Event()

    def confine() -> None:
        tight: set[int] = set()
        while not done.wait(0.005):
            for pid in world.system.processes["filter"]:
                with suppress(ProcessLookupError, FileNotFoundError):
                    _confine(pid, tight)

    thread = threading.Thread(target=confine, daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
        for pid in world.system.processes["filter"]:
            for child in _children(pid):
                _limit(child, MAX_MEMORY)


def _confine(parent: int, tight: set[int]) -> None:
    """Kill parsers that are already at work unconfined; let the filter stand still until all that start are confined:
    a new parser sets a limit of its own first, and would have its mail a millisecond later."""
    new = [child for child in _children(parent) if child not in tight]
    if not new:
        return
    os.kill(parent, signal.SIGSTOP)
    try:
        for child in filter(_ready, new):
            os.kill(child, signal.SIGKILL)
        while new := [child for child in _children(parent) if child not in tight and _size(child)]:
            for child in filter(_ready, new):
                _limit(child, _size(child) + MARGIN)
                tight.add(child)
            time.sleep(0.002)
    finally:
        os.kill(parent, signal.SIGCONT)


def _ready(parser: int) -> bool:
    """It has set its own limit, and takes mail from now on."""
    return resource.prlimit(parser, resource.RLIMIT_AS)[0] == MAX_MEMORY


def _limit(pid: int, soft: int) -> None:
    _, hard = resource.prlimit(pid, resource.RLIMIT_AS)
    resource.prlimit(pid, resource.RLIMIT_AS, (soft, hard))


def _size(pid: int) -> int:
    """Address space in bytes (proc(5), statm)."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[0]) * resource.getpagesize()


def _children(pid: int) -> list[int]:
    with suppress(FileNotFoundError, ProcessLookupError):
        return [int(one) for one in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return []


SCENARIOS = (Scenario("S23", "parsers without memory for large mail", out_of_memory, short=False),)
