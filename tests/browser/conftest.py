"""A real browser at a real console: Debian's Chromium, the console on a private port over a private store."""

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser, BrowserContext, Page, async_playwright

from shared.domain.access import Role
from tests.support.console import Console
from tests.support.console_fixtures import console, empty

CHROMIUM = Path("/usr/bin/chromium")
Visit = Callable[..., Awaitable[Page]]
AXE = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}


__all__ = ["console", "empty"]


@pytest_asyncio.fixture
async def browser() -> AsyncIterator[Browser]:
    """Chromium."""
    if not CHROMIUM.exists():
        pytest.skip("Chromium is not installed (apt-get install chromium)")
    async with async_playwright() as playwright:
        running = await playwright.chromium.launch(executable_path=str(CHROMIUM), args=["--no-sandbox"])
        yield running
        await running.close()


async def heard(context: BrowserContext) -> Page:
    """A new page; what its scripts or its policy complain of is kept for `assert_accessible`."""
    page = await context.new_page()
    page.complaints = []  # type: ignore[attr-defined]  # ours
    page.on("console", lambda said: page.complaints.append(said.text) if said.type == "error" else None)
    page.on("pageerror", lambda error: page.complaints.append(str(error)))
    return page


@pytest_asyncio.fixture
async def visit(empty: Console, browser: Browser) -> Visit:
    """`await visit(role)`: a page of somebody who is signed in with that role (None: nobody), in a browser context of
    its own; further arguments are Playwright's (`java_script_enabled=False`, `viewport=...`, `color_scheme="dark"`).
    What the page's scripts or its policy complain of fails the test when `assert_accessible` looks."""

    async def begin(role: Role | None = None, **options: Any) -> Page:
        context = await browser.new_context(base_url=empty.url, **options)
        context.set_default_timeout(10_000)
        if role is not None:
            name, value = await empty.session_cookie(role)
            await context.add_cookies([{"name": name, "value": value, "url": empty.url}])
        return await heard(context)

    return begin


@pytest.fixture
def assert_accessible() -> Callable[[Page], Awaitable[None]]:
    """`await assert_accessible(page)`: axe finds nothing, nothing is wider than the window, no script complained."""

    async def look(page: Page) -> None:
        found = await Axe().run(page, options=AXE)
        told = [(one["id"], [node["html"][:200] for node in one["nodes"]]) for one in found.response["violations"]]
        assert told == [], page.url
        wider = await page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert wider <= 0, f"{page.url} is {wider} px wider than the window"
        assert page.complaints == [], page.url  # type: ignore[attr-defined]

    return look
