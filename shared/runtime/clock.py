"""The one place that knows what time it is. Everything else is given a clock."""

import time
from datetime import UTC, datetime


class Clock:
    """Wall clock and monotonic clock of this process."""

    def now(self) -> datetime:
        """The wall clock, UTC, in whole milliseconds: the store keeps no more, and an event that is made again from
        the store must say the same."""
        now = datetime.now(UTC)  # noqa: TID251 - the one place
        return now.replace(microsecond=now.microsecond // 1000 * 1000)

    def monotonic(self) -> float:
        """Seconds of a clock that never jumps; for deadlines."""
        return time.monotonic()
