"""A folder of mails, each through parser process, filter and classifier: what it became, what it cost. Changes nothing.

A folder holds raw mails and mboxes, in folders too. Any file is a mail: what is none is one more odd mail. Must never
parse in this process.
"""

import mailbox as mboxes
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from services.console.rules import parsing
from services.console.trial import Trial
from services.filter.parser_pool import ParserPool
from shared.domain.email import Email
from shared.domain.errors import AutomatorError
from shared.runtime.clock import Clock

SEPARATOR: Final = b"From "
NO_OUTCOME: Final = "none"
_FORGET_PEAK: Final = "5"
"""What resets the peak of a process's memory (proc(5), clear_refs)."""

Try = Callable[[Email], Trial]


@dataclass(frozen=True, slots=True)
class Item:
    """A mail of a corpus: its name in the folder, and how to read it. Reading raises OSError."""

    name: str
    read: Callable[[], bytes]


@dataclass(frozen=True, slots=True)
class Parsed:
    """What came of a mail in a parser process, in how many seconds; the most memory that the process had meanwhile, in
    bytes, or None if it died or nobody knows."""

    result: Email | AutomatorError
    seconds: float
    memory: int | None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What would become of a mail. `kind` is that of the decision, or `none`: then `reason` says why."""

    name: str
    size: int
    kind: str
    reason: str
    flags: tuple[str, ...] = ()
    seconds: float = 0.0
    memory: int | None = None

    @property
    def badness(self) -> tuple[bool, bool, float]:
        """By which the worst comes first: no outcome, then only a header read, then the slowest."""
        return (self.kind == NO_OUTCOME, bool(_BROKEN.intersection(self.flags)), self.seconds)


_BROKEN: Final = frozenset(("unparsable", "out_of_memory", "out_of_cpu", "out_of_time", "parser_crashed"))


@dataclass(slots=True)
class Sum:
    """All outcomes together. `deaths` counts the parser processes that mails killed."""

    mails: int = 0
    seconds: float = 0.0
    slowest: float = 0.0
    memory: int = 0
    deaths: int = 0
    kinds: Counter[str] = field(default_factory=Counter[str])
    flags: Counter[str] = field(default_factory=Counter[str])

    def add(self, one: Outcome) -> None:
        """Count one."""
        self.mails += 1
        self.seconds += one.seconds
        self.slowest = max(self.slowest, one.seconds)
        self.memory = max(self.memory, one.memory or 0)
        self.kinds[one.kind] += 1
        self.flags.update(one.flags)

    @property
    def complete(self) -> bool:
        """Whether there were mails, and every one had an outcome."""
        return self.mails > 0 and not self.kinds[NO_OUTCOME]


def items(folder: Path) -> Iterator[Item]:
    """The mails of a folder, by name. Raises OSError if it cannot be listed."""
    for path in sorted(one for one in folder.rglob("*") if one.is_file()):
        name = str(path.relative_to(folder))
        if _is_mbox(path):
            yield from _of_mbox(path, name)
        else:
            yield Item(name, path.read_bytes)


def _is_mbox(path: Path) -> bool:
    """Whether a file holds mails in a row, by its name, or by its first line unless its name says that it is a mail."""
    if path.suffix == ".eml":
        return False
    try:
        with path.open("rb") as file:
            return path.suffix == ".mbox" or file.read(len(SEPARATOR)) == SEPARATOR
    except OSError:
        return False


def _of_mbox(path: Path, name: str) -> Iterator[Item]:
    box = mboxes.mbox(path, create=False)
    try:
        for key in box.keys():  # noqa: SIM118  # iterating a mailbox parses its messages
            yield Item(f"{name}#{int(key) + 1}", lambda key=key: box.get_bytes(key))
    finally:
        box.close()


async def run(corpus: Iterator[Item], trial: Try, total: Sum) -> AsyncGenerator[Outcome]:
    """What would become of each mail, one after the other; `total` is their sum at the end."""
    async with parsing() as pool:
        async with aclosing(_each(pool, corpus, trial)) as outcomes:
            async for one in outcomes:
                total.add(one)
                yield one
        total.deaths = pool.deaths


async def _each(pool: ParserPool, corpus: Iterator[Item], trial: Try) -> AsyncGenerator[Outcome]:
    for item in corpus:
        try:
            raw = item.read()
        except OSError as error:
            yield Outcome(item.name, 0, NO_OUTCOME, f"it cannot be read: {error.strerror or type(error).__name__}")
            continue
        yield _outcome(item.name, len(raw), await parsed(pool, raw), trial)


def _outcome(name: str, size: int, found: Parsed, trial: Try) -> Outcome:
    if isinstance(found.result, AutomatorError):
        return Outcome(name, size, NO_OUTCOME, found.result.what, (), found.seconds, found.memory)
    ended = trial(found.result)
    reason = ended.decision.reason.value
    return Outcome(name, size, ended.kind.value, reason, found.result.flags, found.seconds, found.memory)


async def parsed(pool: ParserPool, raw: bytes) -> Parsed:
    """A mail through a pool, measured. Raises ParserUnavailable if no process can be started."""
    await pool.start()
    before = pool.pids
    for pid in before:
        _forget_peak(pid)
    clock = Clock()
    began = clock.monotonic()
    (result,) = await pool.parse([raw])
    seconds = clock.monotonic() - began
    return Parsed(result, seconds, _peak(before) if pool.pids == before else None)


def _forget_peak(pid: int) -> None:
    try:
        Path(f"/proc/{pid}/clear_refs").write_text(_FORGET_PEAK)
    except OSError:
        return


def _peak(pids: Sequence[int]) -> int | None:
    """The most memory that one of these processes had, in bytes (proc(5), status)."""
    peaks: list[int] = []
    for pid in pids:
        try:
            lines = Path(f"/proc/{pid}/status").read_text().splitlines()
        except OSError:
            continue
        peaks += [int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:")]
    return max(peaks, default=None)
