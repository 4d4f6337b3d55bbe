"""A back-test run for a page: to its end, with the changes that the page shows."""

from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Final

from starlette.requests import Request

from services.console.api import backtests
from services.console.api.following import followed
from services.console.api.surroundings import Surroundings
from services.console.backtest import Change, Result, Wanted
from services.console.rules import Rules

SHOWN: Final = 100
"""So many changes are shown."""


@dataclass(frozen=True, slots=True)
class Tried:
    """What came of it: the sum, and its first changes."""

    result: Result
    changes: Sequence[Change]

    @property
    def outcomes(self) -> Sequence[str]:
        """Every outcome that occurs, by name."""
        return sorted({*self.result.old, *self.result.new, *(self.result.today or ())})


async def run(request: Request, here: Surroundings, who: str, rules: Rules, new: Rules, wanted: Wanted) -> Tried | None:
    """Run it; None if the browser has gone away. Raises TooOften."""
    work = await backtests.admitted(here, who, rules, new, wanted)
    changes, result = list[Change](), Result(0, 0, 0, {}, {}, None, {})
    async with aclosing(followed(work, 1.0, here.running)) as news:
        async for one in news:
            if one is None and await request.is_disconnected():
                return None
            if isinstance(one, Change) and len(changes) < SHOWN:
                changes.append(one)
            elif isinstance(one, Result):
                result = one
    return Tried(result, changes)
