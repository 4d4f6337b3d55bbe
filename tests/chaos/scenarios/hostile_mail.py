"""S31: half of the mail is hostile, and services are killed at random."""

import asyncio
import statistics

from shared.runtime.clock import Clock
from tests.chaos.checker import gather
from tests.chaos.hostile import Hostile, corpus, odd
from tests.chaos.scenarios.kills import KILLED, STAGES
from tests.chaos.scenarios.scenario import Scenario
from tests.chaos.settle import settle
from tests.chaos.world import World

Sent = dict[str, float]
"""When a good mail was delivered (Unix time), by token."""


async def half_hostile(world: World, seconds: float) -> None:
    """The same load and kills without hostile mail, then with each hostile mail there is, among as much good mail."""
    hostile = [*corpus(), *odd()]
    world.chance.shuffle(hostile)
    alone = await _wave(world, len(hostile), [])
    await settle(world, 120)
    mixed = await _wave(world, len(hostile), hostile)
    await settle(world, 120)
    calm, troubled = await _median(world, alone), await _median(world, mixed)
    print(f"      good mail decided after (median): {calm:.1f} s alone, {troubled:.1f} s among hostile", flush=True)


async def _wave(world: World, good: int, hostile: list[Hostile]) -> Sent:
    """So many good mails, the hostile ones between them, and a kill every second or two."""
    clock, sent, steps = Clock(), Sent(), 10
    for step in range(steps):
        for one in hostile[step::steps]:
            world.traffic.inject_any(one.kind, one.write, sender=one.sender)
            world.fault(f"hostile mail: {one.kind.name}")
        for one in world.traffic.deliver(len(range(step, good, steps))):
            sent[one.token] = clock.now().timestamp()
        await asyncio.sleep(world.chance.uniform(0.5, 1.0))
        if step % 2:
            world.kill(world.chance.choice(STAGES))
    return sent


async def _median(world: World, sent: Sent) -> float:
    """Seconds from delivery to decision."""
    seen = await gather(world, {})
    took = [
        entry.decision.decided_at.timestamp() - at
        for token, at in sent.items()
        for entry in seen.by_token.get(token, ())
        if entry.decision is not None
    ]
    return statistics.median(took)


SCENARIOS = (Scenario("S31", "hostile mail among good mail, and random kills", half_hostile, allows=KILLED),)
