"""Whether mailboxes that were just applied work: each connects once, or fails with its reason. Only reads.

Told by what fetchers report, compared with what they had reported before: no two machines' clocks are compared.
"""

import asyncio
from collections.abc import Collection, Mapping
from typing import Final

from shared.domain.mailbox_runtime import MailboxStatus, Phase
from shared.runtime.clock import Clock
from shared.store.client import Store

LOOK_SECONDS: Final = 0.3
_TROUBLE: Final = (Phase.BACKOFF, Phase.NEEDS_ATTENTION)

Statuses = Mapping[str, MailboxStatus]


async def arrivals(
    store: Store, names: Collection[str], changed: Collection[str], before: Statuses, seconds: float
) -> dict[str, str]:
    """By mailbox why it does not work; empty for one that connected. Takes at most so many seconds.

    Of `changed` mailboxes only news since `before` counts; of the others what is known is enough.
    """
    clock = Clock()
    deadline = clock.monotonic() + seconds
    found: dict[str, str] = {}
    while True:
        statuses = await store.runtime.statuses()
        for name in names:
            verdict = judge(statuses.get(name), before.get(name) if name in changed else None)
            if name not in found and verdict is not None:
                found[name] = verdict
        if len(found) == len(names) or clock.monotonic() >= deadline:
            return {name: found.get(name, _late(statuses.get(name), seconds)) for name in names}
        await asyncio.sleep(LOOK_SECONDS)


def judge(status: MailboxStatus | None, before: MailboxStatus | None) -> str | None:
    """Empty if it connected, the reason if it failed, None if neither was reported yet (`before` is no news). Pure."""
    if status is None:
        return None
    if status.state in _TROUBLE and (before is None or status.since != before.since):
        return status.sentence
    connected = status.connected_at is not None and status.state not in (*_TROUBLE, Phase.STOPPED)
    return "" if connected and (before is None or status.connected_at != before.connected_at) else None


def _late(status: MailboxStatus | None, seconds: float) -> str:
    if status is None or status.state is Phase.STOPPED:
        return f"no fetcher took it within {seconds:g} s: is one running?"
    return f"it did not connect within {seconds:g} s: {status.sentence or status.state}"
