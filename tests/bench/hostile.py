"""How much slower good mail gets where every second mail is hostile: `python -m tests.bench.hostile`.

Good mails of the yardstick go through real parser processes in batches, as in the filter, alone and then mixed one to
one with the rows of hostile mail. Told is the time per good mail, and the ratio: three is the most that is fine.
"""

import argparse
import asyncio
import statistics
import time
from collections.abc import Sequence
from itertools import chain

from services.filter.parser_pool import ParserPool
from tests.bench.generator import mails
from tests.hostile.mails import ROWS

BATCH = 100
LARGE = 1024 * 1024
LIMIT = 3.0


async def main() -> None:
    """Measure both, several times in turn, and print the median of each."""
    options = argparse.ArgumentParser(prog="tests.bench.hostile")
    options.add_argument("--good", type=int, default=2_000)
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--large", action="store_true", help="with hostile mails over 1 MiB, too")
    given = options.parse_args()
    good = list(mails(given.good))
    hostile = [raw for raw in (one.write() for one in ROWS) if given.large or len(raw) <= LARGE]
    mixed = list(chain.from_iterable(zip(good, (hostile[at % len(hostile)] for at in range(len(good))), strict=True)))
    pool = ParserPool()
    await pool.start()
    alone, together = list[float](), list[float]()
    for _ in range(given.rounds):
        alone.append(await _seconds(pool, good))
        together.append(await _seconds(pool, mixed))
    await pool.close()
    before, after = (statistics.median(one) / given.good * 1000 for one in (alone, together))
    print(f"{given.good} good mails, {len(hostile)} kinds of hostile ones")
    print(f"alone: {before:.2f} ms each; one to one with hostile mail: {after:.2f} ms each")
    print(f"ratio: {after / before:.2f} (at most {LIMIT:g})")


async def _seconds(pool: ParserPool, raws: Sequence[bytes]) -> float:
    began = time.monotonic()
    for at in range(0, len(raws), BATCH):
        await pool.parse(raws[at : at + BATCH])
    return time.monotonic() - began


if __name__ == "__main__":
    asyncio.run(main())
