"""Runs scenarios and prints a report in Jepsen's words: `python -m tests.chaos [--long] [--only S6,S7] [--seed N]`.

Exit code 0 only if nothing was lost, doubled or unexpected and every scenario came to rest.
"""

import argparse
import asyncio
import json
import logging
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import asdict, dataclass, field
from pathlib import Path

from services.all_in_one.settings import PIPELINE
from tests.chaos.checker import check, gather
from tests.chaos.scenarios import SCENARIOS
from tests.chaos.scenarios.scenario import Scenario
from tests.chaos.settle import settle
from tests.chaos.world import World, world

WORDS = ("lost", "doubled", "unexpected")
SERVICES = {**{name: 1 for name in PIPELINE if name != "console"}, "fetcher": 2, "ticket_writer": 2}


@dataclass
class Result:
    """One scenario's end."""

    name: str
    title: str
    attempted: int
    ok: int
    lost: int
    doubled: int
    unexpected: int
    recovered_seconds: float
    faults: int
    unrest: list[str] = field(default_factory=list)
    violations: list[dict] = field(default_factory=list)

    @property
    def good(self) -> bool:
        """Whether nothing is wrong."""
        return not (self.lost or self.doubled or self.unexpected or self.unrest)


async def run_one(scenario: Scenario, made: World, seconds: float) -> Result:
    """Run, heal, settle, check."""
    before, faults = made.traffic.count, len(made.faults)
    said: list[str] = []
    try:
        await scenario.run(made, seconds)
    except (AssertionError, TimeoutError) as error:
        said.append(f"the scenario ended early: {error!r}")
    await made.proxies.heal()
    began = time.monotonic()
    unrest = await settle(made, scenario.settle_seconds)
    recovered = time.monotonic() - began
    made.allowed |= scenario.allows
    seen = await gather(made)
    seen.more |= made.allowed
    violations = sorted(check(seen), key=lambda one: WORDS.index(one.word))
    words = [one.word for one in violations]
    bad = {one.subject for one in violations}
    return Result(
        scenario.name,
        scenario.title,
        made.traffic.count - before,
        made.traffic.count - len(bad),
        words.count("lost"),
        words.count("doubled"),
        words.count("unexpected"),
        round(recovered, 1),
        len(made.faults) - faults,
        [*said, *unrest],
        [asdict(one) for one in violations[:50]],
    )


async def main(arguments: argparse.Namespace) -> int:
    """The whole run."""
    wanted = set(arguments.only.split(",")) if arguments.only else None
    chosen = [one for one in SCENARIOS if (one.name in wanted if wanted else one.short or arguments.long)]
    for name in ("aio_pika", "aiormq"):
        logging.getLogger(name).setLevel(logging.CRITICAL)  # they cry out for every connection that we cut
    seed = arguments.seed or random.randrange(1, 100_000)
    results: list[Result] = []
    print(f"seed {seed}; scenarios {', '.join(one.name for one in chosen)}", flush=True)
    with tempfile.TemporaryDirectory(prefix="chaos-") as folder:
        async with world(Path(folder), seed, services=SERVICES) as made:
            for scenario in chosen:
                result = await run_one(scenario, made, arguments.seconds)
                results.append(result)
                _say(result)
            states = Counter([state async for state in acknowledgements(made)])
            print(f"acknowledgements: {dict(states)}; mails at the sink {len(made.sink.accepted())}", flush=True)
            print(f"{len(made.faults)} faults in all; crash points hit: {len(made.hit)}", flush=True)
            if not all(one.good for one in results):
                Path("chaos-services.log").write_text("\n".join(made.log))
    _total(results, seed)
    if arguments.report:
        report = {"seed": seed, "results": [asdict(one) for one in results]}
        Path(arguments.report).write_text(json.dumps(report, indent=2) + "\n")
    return 0 if all(one.good for one in results) else 1


async def acknowledgements(made: World) -> AsyncIterator[str]:
    """The state of each ticket's acknowledgement, with its reason where it has one."""
    for ticket in (await gather(made)).tickets.values():
        one = ticket.acknowledgement
        yield " ".join(filter(None, (one.state.value, one.code))) if one else "none"


def _say(one: Result) -> None:
    print(
        f"{one.name:<5} {one.title:<50} attempted {one.attempted:>5}  lost {one.lost}  doubled {one.doubled}  "
        f"unexpected {one.unexpected}  recovered in {one.recovered_seconds:>5} s  faults {one.faults}",
        flush=True,
    )
    for what in (*one.unrest, *(json.dumps(violation) for violation in one.violations[:8])):
        print(f"      {what}", flush=True)


def _total(results: list[Result], seed: int) -> None:
    total = {name: sum(getattr(one, name) for one in results) for name in ("attempted", "faults")}
    worst = {name: results[-1].__dict__[name] if results else 0 for name in ("lost", "doubled", "unexpected")}
    slowest = max((one.recovered_seconds for one in results), default=0)
    print(
        f"seed {seed}: attempted {total['attempted']}, faults {total['faults']}, lost {worst['lost']}, "
        f"doubled {worst['doubled']}, unexpected {worst['unexpected']}; slowest recovery {slowest} s",
        flush=True,
    )


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--long", action="store_true", help="every scenario, not only the short selection")
    parser.add_argument("--only", default="", help="names of scenarios, separated by commas")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--seconds", type=float, default=20, help="how long a scenario that can go on does so")
    parser.add_argument("--report", default="", help="a JSON file for the results")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(asyncio.run(main(_arguments())))
