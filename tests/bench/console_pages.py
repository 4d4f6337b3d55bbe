"""How long the console's pages take, as a browser waits for them: question, template and HTTP together."""

import asyncio
import itertools
import statistics
import time
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import asynccontextmanager

import httpx

from services.console.passwords import Passwords
from services.console.web.site import Site
from services.console.web.visitor import SESSION
from shared.domain.access import Role
from shared.store.client import Store
from tests.bench.meanwhile import meanwhile
from tests.support.console import running_console
from tests.support.embedded_store import FakeClock
from tests.support.pipeline import Pipeline

TARGET_MS = 200
ASKED = 5
MAIN = ("/", "/mailboxes", "/mails", "/mails?q=printer", "/tickets", "/quarantine", "/events")
"""What somebody looks at while mail comes in."""


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


@asynccontextmanager
async def looked_at(system: Pipeline) -> AsyncGenerator[Mapping[str, list[float]]]:
    """Asks a running console for the main pages meanwhile, one a second, in turn: the milliseconds that each took.

    Raises AssertionError at the end if a page did not answer 200.
    """
    took: dict[str, list[float]] = {path: [] for path in MAIN}
    fresh = httpx.Limits(max_keepalive_connections=0)  # one that the console closes just now would be an error
    async with httpx.AsyncClient(base_url=system.system.api_urls[0], timeout=60, limits=fresh) as browser:
        browser.cookies.set(*await _cookie(system))
        async with meanwhile(_look(browser, took)):
            yield took


def typical(took: Mapping[str, list[float]]) -> dict[str, dict[str, float]]:
    """Of each page that was asked for: how often, the median and the slowest answer in milliseconds."""
    return {
        path: {"asked": len(some), "median": round(statistics.median(some), 1), "slowest": round(max(some), 1)}
        for path, some in took.items()
        if some
    }


async def _cookie(system: Pipeline) -> tuple[str, str]:
    """Of somebody who has just signed in."""
    await system.store.users.add("bench", "bench", Role.ADMINISTRATOR, created_by="a bench")
    user = await system.store.users.get("bench")
    assert user is not None
    session = await system.store.sessions.begin(user, agent="a bench")
    return Site(system.system.api_urls[0], Passwords()).cookie(SESSION), session.get_secret_value()


async def _look(browser: httpx.AsyncClient, took: Mapping[str, list[float]]) -> None:
    for path in itertools.cycle(MAIN):
        started = time.perf_counter()
        answer = await browser.get(path)
        took[path].append((time.perf_counter() - started) * 1000)
        assert answer.status_code == 200, (path, answer.status_code)
        await asyncio.sleep(max(0.0, started + 1 - time.perf_counter()))
