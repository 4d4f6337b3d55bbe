"""Says of mailboxes that are not to be read any more, and that nobody reads, that they stand still.

Whoever read one says so itself when it stops. It may have been killed before it could, or died with its lease before
the configuration changed: then the last that it said would stand for ever.
"""

from collections.abc import Callable, Mapping
from datetime import datetime

from services.fetcher.ports import Runtime
from shared.domain.mailbox import Mailbox
from shared.domain.mailbox_runtime import Phase
from shared.observability.crash_points import crash_point

LOOK_SECONDS = 2.0
"""How often those are looked at whose leases have not run out yet."""


def why(mailbox: Mailbox | None) -> tuple[str, str]:
    """Code and sentence of a stop."""
    if mailbox is None:
        return "deleted", "The mailbox has been deleted."
    if mailbox.paused:
        return "paused", "An operator has paused the mailbox."
    return "disabled", "The mailbox is disabled in its configuration."


class Unread:
    """The mailboxes that are paused or disabled. Any number of fetchers may tell the same."""

    def __init__(self, runtime: Runtime, monotonic: Callable[[], float], now: Callable[[], datetime]) -> None:
        self._runtime = runtime
        self._monotonic = monotonic
        self._now = now
        self._mailboxes: Mapping[str, Mailbox] = {}
        self._open: dict[str, Mailbox] = {}
        self._looked_at = float("-inf")

    async def look(self, mailboxes: Mapping[str, Mailbox]) -> None:
        """Tell of those that nobody has told of. Asks nothing once all has been told. Raises StoreUnavailable."""
        if mailboxes is not self._mailboxes:
            self._mailboxes = mailboxes
            self._open = {name: one for name, one in mailboxes.items() if not one.active}
        elif self._monotonic() - self._looked_at < LOOK_SECONDS:
            return
        if not self._open:
            return
        self._looked_at = self._monotonic()
        held = await self._runtime.standings(tuple(self._open))
        for name, one in held.items():
            if one.status is not None and one.status.state is not Phase.STOPPED and not one.read:
                code, sentence = why(self._open[name])
                told = {"state": Phase.STOPPED, "code": code, "sentence": sentence, "since": self._now()}
                await self._runtime.set_status_of(name, one.lease, one.status.model_copy(update=told))
                crash_point("fetcher.after_told")
        self._open = {name: self._open[name] for name, one in held.items() if one.read}
