"""How long the console's pages take, as a browser waits for them: question, template and HTTP together."""

import statistics
import time
from collections.abc import AsyncIterator

from shared.domain.access import Role
from shared.store.client import Store
from tests.support.console import running_console
from tests.support.embedded_store import FakeClock

TARGET_MS = 200
ASKED = 5


def paths(mails: int) -> tuple[str, ...]:
    """Pages as people ask for them, on the store that `console_queries.fill` made."""
    middle = mails // 2
    return (
        "/",
        "/mailboxes",
        "/mailboxes?q=box-77",
        "/mailboxes?state=healthy",
        "/mailboxes/box-7",
        "/mailboxes/new/email",
        "/mails",
        f"/mails/m{middle}",
        "/mails?q=person5@example5.org",
        f"/mails?q=INC-{mails // 3:06d}",
        "/mails?q=printer",
        "/mails?q=printer%20payroll",
        "/mails?mailbox=box-7&outcome=rejected",
        "/mails?mailbox=box-7&reason=blocked_sender",
        "/mails?q=nobody@nowhere.example",
        "/tickets",
        "/tickets?subject=printer%20payroll",
        "/quarantine",
        "/events",
        "/users",
        "/account",
    )


async def measured(store: Store, clock: FakeClock, mails: int) -> AsyncIterator[tuple[str, float, float, int]]:
    """Of each page: its path, the median and the slowest of five answers in milliseconds, and its size in bytes.

    Raises AssertionError for a page that does not answer 200.
    """
    async with running_console(store, clock, queues={"mail.filter": 0}) as console:
        await console.people()
        async with await console.signed_in(Role.ADMINISTRATOR) as person:
            for path in paths(mails):
                took: list[float] = []
                size = 0
                for _ in range(ASKED):
                    started = time.perf_counter()
                    answer = await person.client.get(path)
                    took.append((time.perf_counter() - started) * 1000)
                    assert answer.status_code == 200, (path, answer.status_code)
                    size = len(answer.content)
                yield path, statistics.median(took), max(took), size
