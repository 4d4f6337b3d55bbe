"""A pool of parser processes: raw mails in, normalised mails out, on every core.

One hostile mail costs one worker, never this process: a worker that dies, hangs or eats memory is a result. The mail
it was at is tried once more alone on a fresh worker, because the death may not have been its fault. After a second
death only its header is read, and a flag names the limit; if even that kills, it is a ParserDied. Must never parse in
in its own process.

Large mails have processes of their own, of low priority: they take what CPU time the others leave, and no small mail
waits for them.
"""

import asyncio
import math
import os
import signal
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

import services
from services.filter.parser_worker import LENGTH, OUT_OF_MEMORY, READY
from shared.domain.email import Email
from shared.domain.errors import Permanent, Transient
from shared.mail.flags import Flag
from shared.mail.head_alone import head_of, of_head


@dataclass(frozen=True, slots=True)
class Death:
    """Why a worker gave no answer: the flag of the limit, and for people."""

    flag: Flag
    why: str


START_SECONDS = 30.0
CHUNKS_PER_WORKER = 2
LARGE = 256 * 1024
"""Bytes above which a mail is large."""
LOW_PRIORITY = 10
"""Niceness of the processes for large mails: about a tenth of the CPU time where others want it too."""
ENDED = Death(Flag.PARSER_CRASHED, "the process ended")
_LIMITS = {OUT_OF_MEMORY: Flag.OUT_OF_MEMORY, -signal.SIGXCPU: Flag.OUT_OF_CPU}


class ParserDied(Permanent):
    """The mail at `index` of the batch killed every worker that got it, even with its header alone. `why` says how,
    without mail text."""

    code = "parser_died"

    def __init__(self, index: int, why: str) -> None:
        super().__init__(f"the mail kills its parser: {why}", where="parser", remedy="look at the raw mail; replay it")
        self.index = index
        self.why = why


class ParserUnavailable(Transient):
    """No parser process could be started."""

    code = "parser_unavailable"


ParseFailure = ParserDied | ParserUnavailable


def _unheard() -> None:
    """Nobody counts deaths, or asks whether a batch gets on."""


class ParserPool:
    """Worker processes that parse. `size` of 0 means one per core; `seconds` is the wall-clock limit per mail. `died`
    is called for each worker that dies, or is killed, for a mail; `ticked`, in the context of a batch, whenever that
    gets on, or waits while others do. `large` more processes take the large mails; without any, these are like the
    others."""

    def __init__(
        self,
        size: int = 0,
        *,
        seconds: float = 30.0,
        died: Callable[[], None] = _unheard,
        ticked: Callable[[], None] = _unheard,
        large: int = 0,
    ) -> None:
        self._ticked = ticked
        self._slots = [_Slot(seconds, died, ticked) for _ in range(size or len(os.sched_getaffinity(0)))]
        self._large_slots = [_Slot(seconds, died, ticked, LOW_PRIORITY) for _ in range(large)]
        self._idle = _queue(self._slots)
        self._idle_for_large = _queue(self._large_slots)

    @property
    def deaths(self) -> int:
        """How many workers have died or been killed for a mail since the start."""
        return sum(slot.deaths for slot in self._every)

    @property
    def size(self) -> int:
        """How many workers there may be, besides those for large mails."""
        return len(self._slots)

    @property
    def busy(self) -> int:
        """How many of them are at work."""
        return len(self._slots) - self._idle.qsize()

    @property
    def pids(self) -> tuple[int, ...]:
        """The process ids of the running workers."""
        return tuple(slot.pid for slot in self._every if slot.pid is not None)

    @property
    def _every(self) -> "list[_Slot]":
        return [*self._slots, *self._large_slots]

    async def start(self) -> None:
        """Start every worker. Raises ParserUnavailable if one does not come up."""
        await asyncio.gather(*(slot.worker() for slot in self._every))

    async def parse(self, raws: Sequence[bytes]) -> list[Email | ParseFailure]:
        """One result per mail, in order. Never raises for what a mail does; may be called concurrently.

        Cancelling it is safe: workers in the middle of a mail are replaced.
        """
        results: dict[int, Email | ParseFailure] = {}
        large = [index for index, raw in enumerate(raws) if self._large_slots and len(raw) > LARGE]
        others = sorted(set(range(len(raws))) - set(large))
        step = max(1, math.ceil(len(others) / (len(self._slots) * CHUNKS_PER_WORKER)))
        async with asyncio.TaskGroup() as group:
            for at in range(0, len(others), step):
                group.create_task(self._chunk(self._idle, raws, others[at : at + step], results))
            for index in large:
                group.create_task(self._chunk(self._idle_for_large, raws, [index], results))
        return [results[index] for index in range(len(raws))]

    async def close(self) -> None:
        """End every worker; those that do not end by themselves within three seconds are killed."""
        await asyncio.gather(*(slot.close() for slot in self._every))

    async def _chunk(
        self,
        idle: "asyncio.Queue[_Slot]",
        raws: Sequence[bytes],
        chunk: list[int],
        results: dict[int, Email | ParseFailure],
    ) -> None:
        slot = await self._free(idle)
        try:
            await slot.run(raws, chunk, results)
        finally:
            idle.put_nowait(slot)

    async def _free(self, idle: "asyncio.Queue[_Slot]") -> "_Slot":
        """A place that is idle. Those that are not have deadlines, so the wait for one is no hanging."""
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(START_SECONDS):
                    return await idle.get()
            self._ticked()


class _Slot:
    """The place of one worker, which is replaced when it dies."""

    def __init__(self, seconds: float, died: Callable[[], None], ticked: Callable[[], None], niceness: int = 0) -> None:
        self._seconds = seconds
        self._niceness = niceness
        self._died = died
        self._ticked = ticked
        self._worker: _Worker | None = None
        self.deaths = 0

    @property
    def pid(self) -> int | None:
        return self._worker.pid if self._worker else None

    async def worker(self) -> "_Worker":
        """The worker of this place, started if there is none."""
        if self._worker is None or self._worker.ended:
            self._worker = await _Worker.start(self._seconds, self._niceness)
        return self._worker

    async def run(self, raws: Sequence[bytes], pending: list[int], results: dict[int, Email | ParseFailure]) -> None:
        """Parse the pending mails into `results`, whatever they do to the worker."""
        try:
            while pending:
                answered = await self._try(raws, pending, results)
                pending = pending[answered:]
                if pending:
                    await self._alone(raws, pending.pop(0), results)
        except ParserUnavailable as error:
            results.update(dict.fromkeys(pending, error))

    async def _try(self, raws: Sequence[bytes], pending: list[int], results: dict[int, Email | ParseFailure]) -> int:
        """Parse until the worker dies; how many were answered."""
        emails, death = await self._exchange([raws[index] for index in pending])
        results.update(zip(pending, emails, strict=False))
        return len(emails) if death else len(pending)

    async def _alone(self, raws: Sequence[bytes], index: int, results: dict[int, Email | ParseFailure]) -> None:
        """Try the mail at which a worker died once more, alone on a fresh one; then only its header."""
        results[index] = ParserUnavailable("no parser process could be started", where="parser")
        raw = raws[index]
        emails, death = await self._exchange([raw])
        if death is None:
            results[index] = emails[0]
            return
        heads, _ = await self._exchange([head_of(raw)])
        results[index] = of_head(heads[0], raw, death.flag) if heads else ParserDied(index, death.why)

    async def _exchange(self, raws: Sequence[bytes]) -> tuple[list[Email], Death | None]:
        worker = await self.worker()
        clean = False
        try:
            emails, death = await worker.exchange(raws, self._ticked)
            clean = death is None
        finally:
            if not clean:
                self._worker = None
                worker.kill()
        if death is not None:
            self.deaths += 1
            self._died()
            death = await worker.how_it_ended() if death is ENDED else death
        return emails, death

    async def close(self) -> None:
        if self._worker is not None:
            await self._worker.close()
            self._worker = None


def _queue(slots: Sequence[_Slot]) -> asyncio.Queue[_Slot]:
    queue: asyncio.Queue[_Slot] = asyncio.Queue()
    for slot in slots:
        queue.put_nowait(slot)
    return queue


class _Worker:
    """One running process."""

    def __init__(self, process: asyncio.subprocess.Process, seconds: float) -> None:
        if process.stdin is None or process.stdout is None:
            raise ParserUnavailable("a parser process has no pipes", where="parser")
        self._process = process
        self._stdin = process.stdin
        self._stdout = process.stdout
        self._seconds = seconds

    @classmethod
    async def start(cls, seconds: float, niceness: int) -> "_Worker":
        """A process that has said it is ready; it inherits no environment, where secrets are. Raises ParserUnavailable
        if it does not."""
        root = Path(services.__file__).parent.parent
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-B", "-m", "services.filter.parser_worker", str(niceness)),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            cwd=root,
            env={},
        )
        worker = cls(process, seconds)
        try:
            async with asyncio.timeout(START_SECONDS):
                if await worker._read() == READY:
                    return worker
        except (TimeoutError, asyncio.IncompleteReadError):
            pass
        except BaseException:
            worker.kill()
            raise
        worker.kill()
        raise ParserUnavailable(
            "a parser process does not start", where="parser", remedy=f"run {Path(sys.executable).name} -m {__name__}"
        )

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def ended(self) -> bool:
        return self._process.returncode is not None

    async def exchange(self, raws: Sequence[bytes], ticked: Callable[[], None]) -> tuple[list[Email], Death | None]:
        """The mails that were parsed, in order, and what went wrong with the next one (None if nothing did)."""
        emails: list[Email] = []
        writing = asyncio.create_task(self._send(raws))
        try:
            for _ in raws:
                ticked()
                async with asyncio.timeout(self._seconds):
                    emails.append(Email.model_validate_json(await self._read()))
        except TimeoutError:
            return emails, Death(Flag.OUT_OF_TIME, f"no answer within {self._seconds:g} s")
        except (asyncio.IncompleteReadError, ConnectionError):
            return emails, ENDED
        except ValidationError:
            return emails, Death(Flag.PARSER_CRASHED, "the process gave no email")
        finally:
            writing.cancel()
            await asyncio.wait([writing])
        return emails, None

    async def _send(self, raws: Sequence[bytes]) -> None:
        with suppress(ConnectionError, RuntimeError):
            for raw in raws:
                self._stdin.write(LENGTH.pack(len(raw)))
                self._stdin.write(raw)
                await self._stdin.drain()

    async def _read(self) -> bytes:
        size = LENGTH.unpack(await self._stdout.readexactly(LENGTH.size))[0]
        return await self._stdout.readexactly(size)

    def kill(self) -> None:
        """End the process now."""
        with suppress(ProcessLookupError):
            self._process.kill()

    async def how_it_ended(self) -> Death:
        """By which signal or with which exit status, and which limit that means."""
        status = await self._process.wait()
        flag = _LIMITS.get(status, Flag.PARSER_CRASHED)
        how = f"by {signal.Signals(-status).name}" if status < 0 else f"with status {status}"
        return Death(flag, f"{ENDED.why} {how}")

    async def close(self) -> None:
        """Close the input, which ends the process; kill it after three seconds."""
        self._stdin.close()
        try:
            async with asyncio.timeout(3):
                await self._process.wait()
        except TimeoutError:
            self.kill()
            await self._process.wait()
