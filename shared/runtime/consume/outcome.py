"""What a stage's handler is asked for, and what it may say of a mail."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

from shared.broker.messages import Outgoing
from shared.contracts.messages import Message
from shared.domain.errors import AutomatorError

M_contra = TypeVar("M_contra", bound=Message, contravariant=True)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a handler says of one mail: a label and reason for log and metrics, and what is to be published."""

    label: str
    reason: str = ""
    publish: tuple[Outgoing, ...] = ()


Result = Outcome | AutomatorError
"""Of one mail. An error is the fate of that mail alone."""

IN_QUARANTINE = Outcome("quarantined", "in_quarantine")
"""A message of a mail that is in quarantine: nothing is done until somebody replays it."""


class Handler(Protocol[M_contra]):
    """A stage's work on a micro-batch."""

    async def handle(self, messages: Sequence[M_contra]) -> Sequence[Result]:
        """One result per message, in order."""
        ...

    async def settle(self, messages: Sequence[M_contra], outcomes: Sequence[Result]) -> None:
        """Called once everything has been published and confirmed, before the acknowledgements."""
        ...
