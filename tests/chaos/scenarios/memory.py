"""S23: too little memory: parsers in which large mail does not fit, then whole services that get no more."""

import asyncio
import resource
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from services.filter.parser_worker import MAX_MEMORY
from shared.domain.ledger import State
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
GREEDY = Kind("greedy", 0, Ends.ANY, acknowledged=True)
"""Each mail that does not fit ends in quarantine, unless a parser got at it in the moment before it was confined."""
TIGHT = ("filter", "classifier", "ticket_writer")


async def out_of_memory(world: World, seconds: float) -> None:
    """First the parsers, with mail that is too large for them; then the stages themselves."""
    greedy, good = await _parsers(world)
    await settle(world, 120)
    await _as_expected(world, greedy, good)
    await _services(world)


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
        await settle(world, 60)
    return greedy, good


def _large(world: World, token: str, to: str) -> bytes:
    file = Attached("film.bin", world.chance.randbytes(MARGIN))
    return mail(
        sender=f"{token}@people.example", to=to, subject=token, headers={TOKEN_HEADER: token}, attachments=(file,)
    )


async def _as_expected(world: World, greedy: list[Injected], good: list[Injected]) -> None:
    """The large ones killed their parsers, and were held for it; the others did not fail even once."""
    seen = await gather(world)
    held = [one for each in greedy for one in seen.by_token[each.token] if one.state is State.QUARANTINED]
    assert held, "no mail has killed its parser"
    assert {one.failure.code for one in held if one.failure} == {"parser_died"}
    failed = [one.mail_id for each in good for one in seen.by_token[each.token] if one.attempts or one.failure]
    assert not failed, f"neighbours were harmed: {failed}"
    print(f"      {len(held)} of {len(greedy)} large mails are held, their {len(good)} neighbours unharmed", flush=True)


async def _services(world: World) -> None:
    """The stages themselves get no more memory than they have, for a while, with files in the mail."""
    pids = [pid for service in TIGHT for pid in world.system.processes[service]]
    for pid in pids:
        _limit(pid, _size(pid) + MEBIBYTE)
        world.fault(f"no more memory for {pid}")
    for _ in range(6):
        world.traffic.deliver(25)
        await asyncio.sleep(1)
    alive = {pid for found in world.system.processes.values() for pid in found}
    print(f"      {len(set(pids) - alive)} of {len(pids)} services ended for want of memory", flush=True)
    for pid in alive & set(pids):
        _limit(pid, resource.RLIM_INFINITY)


@contextmanager
def _confined(world: World) -> Iterator[None]:
    """Every parser that the filter starts is confined to what it has at its start and MARGIN. In a thread of its own:
    a new parser gets its first mail within milliseconds."""
    done = threading.Event()

    def confine() -> None:
        while not done.wait(0.001):
            for pid in world.system.processes["filter"]:
                for child in _children(pid):
                    with suppress(ProcessLookupError, FileNotFoundError, PermissionError):
                        _tighten(child)

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


def _tighten(pid: int) -> None:
    """Once it has set its own limit, which is when it is ready for mail."""
    if resource.prlimit(pid, resource.RLIMIT_AS)[0] == MAX_MEMORY:
        _limit(pid, _size(pid) + MARGIN)


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


SCENARIOS = (Scenario("S23", "parsers and stages without memory", out_of_memory),)
