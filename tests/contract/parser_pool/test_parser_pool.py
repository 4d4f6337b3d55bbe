"""The parser pool with real processes: what it parses, and what it survives."""

import asyncio
import os
import signal
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from contextvars import ContextVar
from pathlib import Path

import pytest

from services.filter import parser_worker
from services.filter.parser_pool import LARGE, LOW_PRIORITY, ParseFailure, ParserDied, ParserPool
from shared.domain.email import Email
from shared.mail.parse import parse
from tests.support.mails import Attached, mail
from tests.support.processes import is_alive


def killer() -> bytes:
    """A mail that no worker can hold in its memory."""
    return bytes(parser_worker.MAX_MEMORY + 1)


@pytest.fixture
async def pool() -> AsyncIterator[ParserPool]:
    pool = ParserPool(2, seconds=10)
    await pool.start()
    yield pool
    await pool.close()


async def test_a_batch_ticks_with_each_mail_so_that_a_slow_one_does_not_count_as_hung() -> None:
    """In its own context: whoever waits for the batch knows that it is this one which gets on."""
    batch: ContextVar[str] = ContextVar("batch")
    ticks: Counter[str] = Counter()
    pool = ParserPool(1, ticked=lambda: ticks.update([batch.get()]))

    async def parse_as(name: str, mails: int) -> None:
        batch.set(name)
        await pool.parse([mail(subject=name) for _ in range(mails)])

    await asyncio.gather(parse_as("a", 5), parse_as("b", 3))
    await pool.close()
    assert ticks == {"a": 5, "b": 3}


async def until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not holds():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.01)


def emails(results: list[Email | ParseFailure]) -> list[Email]:
    found = [one for one in results if isinstance(one, Email)]
    assert len(found) == len(results), results
    return found


async def test_a_batch_comes_back_in_order_and_as_parsed_here(pool: ParserPool) -> None:
    raws = [mail(subject=f"mail {one}", html="<p>x</p>", attachments=[Attached("a", b"1" * one)]) for one in range(57)]
    assert emails(await pool.parse(raws)) == [parse(raw) for raw in raws]
    assert pool.deaths == 0


async def test_an_empty_batch_and_an_empty_mail_are_fine(pool: ParserPool) -> None:
    assert await pool.parse([]) == []
    assert emails(await pool.parse([b""]))[0].flags[0] == "empty"


async def test_every_worker_takes_a_share_of_a_batch(pool: ParserPool) -> None:
    def cpu(pid: int) -> int:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return int(fields[11]) + int(fields[12])

    before = {pid: cpu(pid) for pid in pool.pids}
    await pool.parse([mail(html="<p>word</p>" * 300) for _ in range(400)])
    assert len(before) == 2
    assert all(cpu(pid) > ticks for pid, ticks in before.items())


async def test_the_mail_that_kills_its_worker_is_named_and_the_others_are_parsed(pool: ParserPool) -> None:
    results = await pool.parse([mail(subject="one"), mail(subject="two"), killer(), mail(subject="four")])
    assert [one.subject for one in results if isinstance(one, Email)] == ["one", "two", "", "four"]
    headless = results[2]
    assert isinstance(headless, Email)
    assert (headless.flags[0], headless.size) == ("out_of_memory", len(killer()))
    assert pool.deaths == 2
    assert emails(await pool.parse([mail(subject="after")]))[0].subject == "after"


async def test_of_a_mail_over_a_limit_the_header_is_read_and_a_flag_names_the_limit() -> None:
    pool = ParserPool(1, seconds=1)
    await pool.start()
    long = mail(subject="long", sender="a@people.example") + b"x" * 400_000_000
    try:
        (found,) = emails(await pool.parse([long]))
        assert (found.subject, found.sender and found.sender.address) == ("long", "a@people.example")
        assert set(found.flags) & {"out_of_time", "out_of_memory"}
        assert "empty" not in found.flags
    finally:
        await pool.close()


async def test_the_kernels_signal_for_too_much_cpu_time_is_told_from_a_crash() -> None:
    for sent, flag in ((signal.SIGXCPU, "out_of_cpu"), (signal.SIGSEGV, "parser_crashed")):
        pool = ParserPool(1)
        await pool.start()
        parsing = asyncio.create_task(pool.parse([mail(subject="busy") + b"x" * 100_000_000]))
        while pool.deaths < 2 and not parsing.done():
            for pid in pool.pids:
                with suppress(ProcessLookupError):
                    os.kill(pid, sent)
            await asyncio.sleep(0.005)
        try:
            (found,) = emails(await parsing)
            assert (found.subject, found.flags[0]) == ("busy", flag)
        finally:
            await pool.close()


async def test_a_mail_whose_header_alone_kills_is_named_and_the_pool_goes_on() -> None:
    pool = ParserPool(1, seconds=0.000_001)
    await pool.start()
    try:
        (died,) = await pool.parse([mail(subject="one")])
        assert isinstance(died, ParserDied)
        assert (died.index, died.code) == (0, "parser_died")
        assert "no answer within" in died.why
        assert pool.deaths == 3
    finally:
        await pool.close()


async def test_a_big_attachment_fits_into_the_memory_of_a_worker(pool: ParserPool) -> None:
    raw = mail(attachments=[Attached("big.bin", os.urandom(20 * 1024 * 1024))])
    found = emails(await pool.parse([raw]))[0]
    assert found.attachments[0].size == 20 * 1024 * 1024


async def test_large_mails_have_a_process_of_low_priority_and_the_others_do_not_wait_for_it() -> None:
    pool = ParserPool(1, large=1)
    await pool.start()
    other, low = pool.pids
    assert [os.getpriority(os.PRIO_PROCESS, one) - os.getpriority(os.PRIO_PROCESS, 0) for one in (other, low)] in (
        [0, LOW_PRIORITY],
        [0, 19 - os.getpriority(os.PRIO_PROCESS, 0)],
    )
    large = mail(subject="large", html="<p>x</p>") + b"x" * LARGE
    os.kill(low, signal.SIGSTOP)
    try:
        parsing = asyncio.create_task(pool.parse([large]))
        assert [one.subject for one in emails(await pool.parse([mail(subject="small")]))] == ["small"]
        assert not parsing.done()
        os.kill(low, signal.SIGCONT)
        assert emails(await parsing)[0].subject == "large"
        mixed = emails(await pool.parse([mail(subject="a"), large, mail(subject="b")]))
        assert [one.subject for one in mixed] == ["a", "large", "b"]
    finally:
        await pool.close()


async def test_a_worker_killed_from_outside_costs_no_mail(pool: ParserPool) -> None:
    raws = [mail(subject=f"{one}", html="<p>word</p>" * 500) for one in range(200)]
    parsing = asyncio.create_task(pool.parse(raws))
    await asyncio.sleep(0)
    for pid in pool.pids:
        os.kill(pid, signal.SIGKILL)
    assert [one.subject for one in emails(await parsing)] == [f"{one}" for one in range(200)]
    assert pool.deaths >= 1


async def test_a_worker_that_hangs_is_killed_and_its_mails_are_parsed_by_another() -> None:
    pool = ParserPool(1, seconds=1)
    await pool.start()
    (hanging,) = pool.pids
    os.kill(hanging, signal.SIGSTOP)
    try:
        assert emails(await pool.parse([mail(subject="one"), mail(subject="two")]))[1].subject == "two"
        await until(lambda: not is_alive(hanging))
        assert pool.deaths == 1
    finally:
        await pool.close()


async def test_a_cancelled_batch_leaves_no_answer_for_the_next(pool: ParserPool) -> None:
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await pool.parse([mail(subject="old", html="<p>word</p>" * 900) for _ in range(300)])
    fresh = [mail(subject=f"new {one}") for one in range(10)]
    assert [one.subject for one in emails(await pool.parse(fresh))] == [f"new {one}" for one in range(10)]


async def test_batches_may_overlap(pool: ParserPool) -> None:
    batches = [[mail(subject=f"{batch}-{one}") for one in range(20)] for batch in range(5)]
    results = await asyncio.gather(*(pool.parse(batch) for batch in batches))
    subjects = [[one.subject for one in emails(result)] for result in results]
    assert subjects == [[f"{batch}-{one}" for one in range(20)] for batch in range(5)]


async def test_closing_ends_every_worker() -> None:
    pool = ParserPool(2)
    await pool.start()
    pids = pool.pids
    assert all(is_alive(pid) for pid in pids)
    await pool.close()
    await until(lambda: not any(is_alive(pid) for pid in pids))


async def test_workers_end_when_their_parent_is_killed(tmp_path: Path) -> None:
    script = tmp_path / "parent.py"
    script.write_text(
        "import asyncio\n"
        "from services.filter.parser_pool import ParserPool\n"
        "async def main():\n"
        "    pool = ParserPool(2)\n"
        "    await pool.start()\n"
        "    print(*pool.pids, flush=True)\n"
        "    await asyncio.sleep(60)\n"
        "asyncio.run(main())\n"
    )
    root = str(Path(parser_worker.__file__).parents[2])
    parent = await asyncio.create_subprocess_exec(
        sys.executable, str(script), stdout=asyncio.subprocess.PIPE, env={"PYTHONPATH": root}
    )
    assert parent.stdout is not None
    pids = [int(one) for one in (await asyncio.wait_for(parent.stdout.readline(), 20)).split()]
    assert len(pids) == 2
    parent.kill()
    await parent.wait()
    await until(lambda: not any(is_alive(pid) for pid in pids))


async def test_a_worker_ignores_the_signals_that_end_its_parent(pool: ParserPool) -> None:
    for pid in pool.pids:
        os.kill(pid, signal.SIGTERM)
        os.kill(pid, signal.SIGINT)
    assert emails(await pool.parse([mail(subject="still")]))[0].subject == "still"
    assert pool.deaths == 0
