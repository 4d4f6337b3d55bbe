"""How much slower good mail gets where every second mail is hostile: `python -m tests.bench.hostile`.

Good mails of the yardstick go through real parser processes as in the filter: two batches at a time, and what is large
beside them. First alone, then mixed one to one with the rows of hostile mail, as the fetcher hands them on (of a mail
over its cap, the start). Told is the time until the last good mail is through, and the ratio: three is the most that
is fine.
"""

import argparse
import asyncio
import statistics
import time
from collections.abc import Iterator, Sequence
from itertools import chain

from services.fetcher.asking import START_BYTES
from services.fetcher.handler import Limits
from services.filter.parser_pool import LARGE, ParserPool
from shared.runtime.consume.loop import SLOW_GROUP
from tests.bench.generator import mails
from tests.hostile.mails import ROWS

BATCH, BATCHES = 100, 2
LIMIT = 3.0


async def main() -> None:
    """Measure both, several times in turn, and print the median of each."""
    options = argparse.ArgumentParser(prog="tests.bench.hostile")
    options.add_argument("--good", type=int, default=2_000)
    options.add_argument("--rounds", type=int, default=3)
    given = options.parse_args()
    good = list(mails(given.good))
    hostile = [_handed_on(one.write()) for one in ROWS]
    mixed = list(chain.from_iterable(zip(good, (hostile[at % len(hostile)] for at in range(len(good))), strict=True)))
    pool = ParserPool(large=1)
    await pool.start()
    alone, together, all_of_it = list[float](), list[float](), list[float]()
    for _ in range(given.rounds):
        alone.append((await _seconds(pool, good))[0])
        until_good, until_all = await _seconds(pool, mixed)
        together.append(until_good)
        all_of_it.append(until_all)
    await pool.close()
    before, after, last = (statistics.median(one) / given.good * 1000 for one in (alone, together, all_of_it))
    print(f"{given.good} good mails, {len(hostile)} kinds of hostile ones")
    print(f"alone: {before:.2f} ms each; one to one with hostile mail: {after:.2f} ms each")
    print(f"ratio: {after / before:.2f} (at most {LIMIT:g}); until the last hostile mail: {last / before:.2f}")


def _handed_on(raw: bytes) -> bytes:
    return raw if len(raw) <= Limits().mail_bytes else raw[:START_BYTES]


async def _seconds(pool: ParserPool, raws: Sequence[bytes]) -> tuple[float, float]:
    """Until the last mail that is not large is through, and until all are."""
    quick = [one for one in raws if len(one) <= LARGE]
    large = [one for one in raws if len(one) > LARGE]
    batches = iter([quick[at : at + BATCH] for at in range(0, len(quick), BATCH)])
    began = time.monotonic()
    beside = asyncio.create_task(_slowly(pool, large))
    await asyncio.gather(*(_work(pool, batches) for _ in range(BATCHES)))
    until_quick = time.monotonic() - began
    await beside
    return until_quick, time.monotonic() - began


async def _work(pool: ParserPool, batches: Iterator[list[bytes]]) -> None:
    for batch in batches:
        await pool.parse(batch)


async def _slowly(pool: ParserPool, large: Sequence[bytes]) -> None:
    for at in range(0, len(large), SLOW_GROUP):
        await pool.parse(large[at : at + SLOW_GROUP])


if __name__ == "__main__":
    asyncio.run(main())
