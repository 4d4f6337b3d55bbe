"""What a scenario is: load and faults in a world, and what the checker may then overlook because of them."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from tests.chaos.world import World

ALLOWANCES = frozenset(
    {"dot_faults", "events_may_be_missing", "quarantine", "cursors", "moves", "store_forgot", "switched_off"}
)
"""What may be overlooked. `dot_faults`: an acknowledgement may end `unknown`; `events_may_be_missing`: the subscriber's
queue was lost; `quarantine`: a mail may end there; `cursors`: low_water may go back (the store itself did); `moves`: so
may states; `store_forgot`: what was sent before may be sent again; `switched_off`: a mailbox that is off while an
acknowledgement is due sends none."""
FOLLOWED_SECONDS = 6.0
"""After so long every service follows a changed configuration (they look every two seconds)."""
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
    may take afterwards. `allows` names what the checker overlooks for the mails of this scenario (ALLOWANCES). `short`:
    whether `make chaos` runs it. `alone`: it gets a world of its own.
    """

    name: str
    title: str
    run: Run
    settle_seconds: float = 180
    allows: frozenset[str] = frozenset()
    short: bool = True
    alone: bool = False

    def __post_init__(self) -> None:
        unknown = self.allows - ALLOWANCES
        if unknown:
            raise ValueError(f"{self.name} allows {', '.join(unknown)}, which is no allowance")
