"""What must hold all the time is looked at all the time: cursors and leases (I14, I15), moves of the ledger (I16), and
the memory of every process (I22). It samples; what it sees wrong is kept for the checker."""

import asyncio
import contextlib
import os
import random
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from shared.domain.errors import AutomatorError
from shared.domain.ledger import LEGAL_MOVES, State
from shared.domain.mailbox_runtime import Cursor, Lease
from tests.chaos.violation import Violation
from tests.chaos.world import World

LOOK_SECONDS = 0.5
LEDGER_SECONDS = 5.0
SAMPLE = 200
MEMORY_MIB = 512
"""No process may need more. A parser worker is held to it by RLIMIT_AS, the others by nothing but their code."""


@dataclass
class Watch:
    """What was seen so far."""

    world: World
    found: list[Violation] = field(default_factory=list)
    peak_mib: dict[str, int] = field(default_factory=dict)
    """The most memory (resident, MiB) that a process of each service was seen to hold, its children apart."""
    _cursors: dict[tuple[str, str, int, int], int] = field(default_factory=dict)
    _leases: dict[str, Lease] = field(default_factory=dict)
    _states: dict[str, tuple[State, int]] = field(default_factory=dict)

    async def go_on(self) -> None:
        """Until it is cancelled."""
        looked = 0.0
        while True:
            self.memory()
            with contextlib.suppress(AutomatorError):  # the store is away: that is what a scenario may be about
                await self.mailboxes()
                if looked > LEDGER_SECONDS:
                    looked = 0.0
                    await self.ledger()
            looked += LOOK_SECONDS
            await asyncio.sleep(LOOK_SECONDS)

    async def mailboxes(self) -> None:
        """I14: low_water does not go back within an epoch. I15: a lease's token only grows, with each new holder."""
        for one in await self.world.store.collection("mailbox_runtime").find({}):
            name, lease = one["_id"], Lease.model_validate(one["lease"])
            before = self._leases.get(name)
            self._leases[name] = lease
            if before is not None and (lease.token < before.token or _same_token(before, lease)):
                self._say("I15", name, f"token {before.token} of {before.holder}, then {lease.token} of {lease.holder}")
            for cursor in map(Cursor.model_validate, one["cursors"].values()):
                key = (name, cursor.folder, cursor.epoch, cursor.validity)
                last = self._cursors.get(key, 0)
                if cursor.low_water < last and not self.world.excused("cursors"):
                    self._say("I14", name, f"low_water {last}, then {cursor.low_water}")
                self._cursors[key] = cursor.low_water

    async def ledger(self) -> None:
        """I16: a mail's state moves as the table of the domain allows, and its decision's version never goes back.

        Looked at are the newest mails, and some of those that were looked at before.
        """
        newest = {one.mail_id for one in await self.world.store.ledger.recent(None, SAMPLE)}
        known = random.sample(sorted(self._states), min(SAMPLE, len(self._states)))
        query = {"_id": {"$in": sorted(newest.union(known))}}
        for one in await self.world.store.collection("mails").find(query, only=("state", "version")):
            now = State(one["state"]), int(one.get("version", 1))
            before = self._states.get(one["_id"], now)
            self._states[one["_id"]] = now
            if (now[1] < before[1] or now[0] not in _reachable(before[0])) and not self.world.excused("moves"):
                self._say("I16", one["_id"], f"{before[0].value} (version {before[1]}), then {now[0].value} ({now[1]})")

    def memory(self) -> None:
        """I22: no process holds more than the limit."""
        for name, pids in self.world.system.processes.items():
            for pid in pids:
                for process, label in ((pid, name), *((child, f"{name} worker") for child in _children(pid))):
                    mib = _resident_mib(process)
                    if mib > max(MEMORY_MIB, self.peak_mib.get(label, 0)):
                        self._say("I22", label, f"{mib} MiB resident")
                    self.peak_mib[label] = max(mib, self.peak_mib.get(label, 0))

    def _say(self, invariant: str, subject: str, sentence: str) -> None:
        self.found.append(Violation(invariant, "unexpected", subject, sentence))


@asynccontextmanager
async def watching(world: World) -> AsyncIterator[Watch]:
    """Looking as long as it is entered."""
    watch = Watch(world)
    task = asyncio.create_task(watch.go_on())
    try:
        yield watch
    finally:
        task.cancel()
        (ended,) = await asyncio.gather(task, return_exceptions=True)
        if isinstance(ended, Exception):
            raise ended


def _same_token(before: Lease, now: Lease) -> bool:
    return before.token == now.token and bool(before.holder and now.holder) and before.holder != now.holder


def _reachable(state: State) -> frozenset[State]:
    """Where a mail may be some time later. Nobody replays in the harness, so a mail that is done stays so."""
    found, new = {state}, {state}
    while new:
        new = {to for at, to in LEGAL_MOVES if at in new and at is not State.DONE} - found
        found |= new
    return frozenset(found)


def _children(pid: int) -> Iterator[int]:
    with contextlib.suppress(OSError):
        for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
            yield int(word)


def _resident_mib(pid: int) -> int:
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except (OSError, IndexError):
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE") // 2**20
