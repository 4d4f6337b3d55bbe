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
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from services.all_in_one.settings import PIPELINE
from shared.domain.errors import AutomatorError
from tests.chaos.checker import check, gather
from tests.chaos.provoke import PROVOKED, TRAFFIC
from tests.chaos.scenarios import SCENARIOS
from tests.chaos.scenarios.scenario import NotShownError, Scenario
from tests.chaos.settle import settle
from tests.chaos.violation import Violation
from tests.chaos.watch import Watch, watching
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
    wall_seconds: float
    unrest: list[str] = field(default_factory=list)
    violations: list[dict] = field(default_factory=list)

    @property
    def good(self) -> bool:
        """Whether nothing is wrong."""
        return not (self.violations or self.unrest)


@dataclass
class Run:
    """Scenarios in one world, one after the other. `excused`: tokens by what is overlooked for them."""

    world: World
    watch: Watch
    seconds: float
    excused: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))

    async def scenario(self, scenario: Scenario) -> Result:
        """Run, heal, settle, check: everything so far, not only this scenario's mail."""
        made, came = self.world, time.monotonic()
        before, faults, known = made.traffic.count, len(made.faults), set(made.oracle.read()[0])
        made.allowed = scenario.allows
        unshown = await _inject(scenario, made, self.seconds)
        await made.proxies.heal()
        began = time.monotonic()
        unrest = await settle(made, scenario.settle_seconds)
        recovered = time.monotonic() - began
        for allowance in scenario.allows:
            self.excused[allowance] |= set(made.oracle.read()[0]) - known
        violations = await self.violations()
        made.allowed = frozenset()
        words = [one.word for one in violations]
        return Result(
            scenario.name,
            scenario.title,
            made.traffic.count - before,
            made.traffic.count - len({one.subject for one in violations}),
            words.count("lost"),
            words.count("doubled"),
            words.count("unexpected"),
            round(recovered, 1),
            len(made.faults) - faults,
            round(time.monotonic() - came, 1),
            [*unshown, *unrest, *(f"unexpected: crash point {point} was never reached" for point in made.missed)],
            [asdict(one) for one in violations[:50]],
        )

    async def violations(self, *, anew: bool = False) -> list[Violation]:
        """Everything that is wrong in this world, the worst first."""
        seen = await gather(self.world, self.excused, anew=anew)
        return sorted((*check(seen), *self.watch.found), key=lambda one: WORDS.index(one.word))


async def _inject(scenario: Scenario, made: World, seconds: float) -> list[str]:
    """Let it happen; what of it did not, although it should have."""
    try:
        await scenario.run(made, seconds)
    except (NotShownError, AssertionError, OSError, AutomatorError) as error:
        return [f"not shown: {error!r}"]
    return []


async def main(arguments: argparse.Namespace) -> int:
    """The whole run."""
    wanted = set(arguments.only.split(",")) if arguments.only else None
    chosen = [one for one in SCENARIOS if (one.name in wanted if wanted else one.short or arguments.long)]
    for name in ("aio_pika", "aiormq"):
        logging.getLogger(name).setLevel(logging.CRITICAL)  # they cry out for every connection that we cut
    seed = arguments.seed or random.randrange(1, 100_000)
    results: list[Result] = []
    print(f"seed {seed}; scenarios {', '.join(one.name for one in chosen)}", flush=True)
    for number, scenarios in enumerate(_worlds(chosen)):
        results += await in_one_world(scenarios, seed + number, arguments)
    _total(results, seed)
    if arguments.report:
        report = {"seed": seed, "results": [asdict(one) for one in results]}
        Path(arguments.report).write_text(json.dumps(report, indent=2) + "\n")
    return 0 if all(one.good for one in results) else 1


async def in_one_world(scenarios: Sequence[Scenario], seed: int, arguments: argparse.Namespace) -> list[Result]:
    """These scenarios, one after the other in a new world; in the end every raw mail is read once more."""
    results: list[Result] = []
    with tempfile.TemporaryDirectory(prefix="chaos-") as folder:
        async with (
            world(
                Path(folder),
                seed,
                services=SERVICES,
                mails=arguments.mails,
                points=arguments.points,
                told=arguments.long,
            ) as made,
            watching(made) as watch,
        ):
            run = Run(made, watch, arguments.seconds)
            for scenario in scenarios:
                results.append(await run.scenario(scenario))
                _say(results[-1])
            last = results[-1]
            last.violations = [asdict(one) for one in await run.violations(anew=True)][:50]
            states = await made.store.outbound.count_by_state()
            print(f"acknowledgements: {states}; mails at the sink {len(made.sink.accepted())}", flush=True)
            print(f"most memory of a process, MiB: {watch.peak_mib}", flush=True)
            print(f"{len(made.faults)} faults in all; crash points hit: {len(made.hit)}", flush=True)
            if not all(one.good for one in results):
                Path("chaos-services.log").write_text("\n".join(made.log))
    return results


def _worlds(chosen: Sequence[Scenario]) -> Iterator[Sequence[Scenario]]:
    """The scenarios that share a world, then those that have one of their own."""
    if together := [one for one in chosen if not one.alone]:
        yield together
    for one in chosen:
        if one.alone:
            yield [one]


def _say(one: Result) -> None:
    print(
        f"{one.name:<5} {one.title:<50} attempted {one.attempted:>5}  lost {one.lost}  doubled {one.doubled}  "
        f"unexpected {one.unexpected}  recovered in {one.recovered_seconds:>5} s  faults {one.faults}  "
        f"took {one.wall_seconds} s",
        flush=True,
    )
    for what in (*one.unrest, *(json.dumps(violation) for violation in one.violations[:8])):
        print(f"      {what}", flush=True)


def _total(results: list[Result], seed: int) -> None:
    total = {name: sum(getattr(one, name) for one in results) for name in ("attempted", "faults")}
    worst = {name: max((getattr(one, name) for one in results), default=0) for name in WORDS}
    slowest = max((one.recovered_seconds for one in results), default=0)
    print(
        f"seed {seed}: attempted {total['attempted']}, faults {total['faults']}, lost {worst['lost']}, "
        f"doubled {worst['doubled']}, unexpected {worst['unexpected']}; slowest recovery {slowest} s",
        flush=True,
    )


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument(
        "--long", action="store_true", help="every scenario, not only the short selection; tells of each crash point"
    )
    parser.add_argument("--only", default="", help="names of scenarios, separated by commas")
    parser.add_argument(
        "--points", type=_points, default=frozenset(), help="crash points that S1x is restricted to: a,b,c"
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--seconds", type=float, default=20, help="how long a scenario that can go on does so")
    parser.add_argument("--mails", type=int, default=10_000, help="how many each soak delivers")
    parser.add_argument("--report", default="", help="a JSON file for the results")
    return parser.parse_args()


def _points(words: str) -> frozenset[str]:
    """Crash points of the world, separated by commas."""
    points = frozenset(words.split(","))
    if unknown := points - {*TRAFFIC, *PROVOKED}:
        raise argparse.ArgumentTypeError(f"no crash point of this world: {', '.join(sorted(unknown))}")
    return points


if __name__ == "__main__":
    sys.exit(asyncio.run(main(_arguments())))
