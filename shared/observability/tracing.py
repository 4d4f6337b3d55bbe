"""What the parts of a process know of tracing. It is off where a process has none (`None`): then nothing is done.

A mail is one trace, and its id follows from the mail (shared/domain/identity.py): a message that lost its headers, a
retry, a replay or an event that is sent a month later belong to it all the same.
"""

from collections.abc import MutableMapping
from datetime import datetime
from typing import Any, Literal, Protocol

from shared.domain.trace_context import TraceContext

Role = Literal["fetch", "send", "process", "call"]
"""What kind of work a span is: the first one of a mail, sending or processing its message, a call to somebody else."""

Attribute = str | int | float | bool
Attributes = dict[str, Attribute]


class Span(Protocol):
    """Work that has begun. It is over when `end` is called."""

    @property
    def context(self) -> TraceContext:
        """How others refer to it."""
        ...

    def end(self, attributes: Attributes | None = None, error: str = "") -> None:
        """It is over. `error` is the code of what went wrong."""
        ...


class Tracing(Protocol):
    """Switched on."""

    def root(self, mail_id: str) -> TraceContext:
        """The first span of a mail's trace."""
        ...

    def here(self, mail_id: str) -> TraceContext:
        """What this process is at work on of a mail, else its first span."""
        ...

    def begin(
        self,
        role: Role,
        name: str,
        mail_id: str,
        attributes: Attributes,
        *,
        parent: TraceContext | None = None,
        since: datetime | None = None,
    ) -> Span:
        """Begin to work on a mail, now or `since` an instant. A `parent` of another trace than the mail's is ignored:
        then, and without one, it is what is `here`."""
        ...

    def mark(self, logger: object, method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        """A processor of structlog: a line about a mail names its trace."""
        ...

    def close(self, seconds: float) -> None:
        """Hand over what is not handed over yet, within so many seconds. Blocks; for a thread."""
        ...


def named(context: TraceContext) -> dict[str, str]:
    """A span as log lines name it."""
    return {"trace_id": context.trace_id, "span_id": context.span_id}
