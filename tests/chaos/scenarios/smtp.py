"""S25: the SMTP server defers, refuses, and hangs up before and after the final dot."""

import asyncio

from tests.chaos.scenarios.scenario import Scenario
from tests.chaos.world import World


async def bad_server(world: World, seconds: float) -> None:
    """Every mode for a while, five hundred mails in all, and then it is well again."""
    for mode in ("451", "drop_before_dot", "drop_after_dot", "refuse_connection", "ok"):
        world.sink.mode = mode
        world.fault(f"SMTP {mode}")
        for _ in range(5):
            world.traffic.deliver(20)
            await asyncio.sleep(1)


SCENARIOS = (Scenario("S25", "an SMTP server that fails in every way", bad_server, allows=frozenset({"dot_faults"})),)
