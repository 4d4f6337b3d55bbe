"""What a scenario is: load and faults in a world, and what the checker may then overlook because of them."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

from tests.chaos.world import World

Run = Callable[[World, float], Awaitable[None]]


class NotShownError(Exception):
    """The fault did not strike: the scenario proves nothing."""


def struck(happened: bool, otherwise: str) -> None:
    """Raise NotShownError unless the fault really struck."""
    if not happened:
        raise NotShownError(otherwise)


@dataclass(frozen=True)
class Scenario:
    """A row of the scenario table in reliability.md.

    `run` gets the world and how long to go on (seconds, at the least one round). `settle_seconds`: how long recovery
    may take afterwards. `allows` is laid into the checker's evidence. `short`: whether `make chaos` runs it.
    """

    name: str
    title: str
    run: Run
    settle_seconds: float = 180
    allows: Mapping[str, bool] = field(default_factory=dict[str, bool])
    short: bool = True
