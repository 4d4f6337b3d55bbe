"""From the first start to the first ticket: the whole system, a real mailbox, and a person who has only a browser.

With MAIL_AUTOMATOR_TEST_SCREENSHOTS the walk leaves the pictures of the README in that folder (`make screenshots`).
"""

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urljoin

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, expect

from services.all_in_one.demo.mails.letter import address_of, render
from services.all_in_one.demo.mails.support import SUPPORT
from services.all_in_one.system import FIRST_LINK
from tests.browser.conftest import heard
from tests.support.canary import secret
from tests.support.console import PASSWORD
from tests.support.mails import mail
from tests.support.pipeline import QUICK, Pipeline, pipeline
from tests.support.wizard import fill_in, new_mailbox, press, try_out

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

Look = Callable[[Page], Awaitable[None]]
USER = address_of("support")
PATIENCE = 60_000
"""Milliseconds."""
PICTURES = os.environ.get("MAIL_AUTOMATOR_TEST_SCREENSHOTS")
WINDOW = {"width": 1200, "height": 800}


@pytest_asyncio.fixture
async def system(tmp_path: Path, rabbitmq_url: str) -> AsyncIterator[Pipeline]:
    """Everything, with nothing configured and nobody who may sign in."""
    environ = {
        **QUICK,
        "MAIL_AUTOMATOR_BOOKKEEPER_BOOKS_SECONDS": "3",
        "MAIL_AUTOMATOR_BOOKKEEPER_STATISTICS_SECONDS": "3",
    }
    async with pipeline(
        tmp_path, {USER: secret("of the mailbox")}, environ=environ, broker_url=rabbitmq_url
    ) as running:
        yield running


async def test_a_person_with_a_browser_gets_from_the_first_start_to_the_first_ticket(
    system: Pipeline, browser: Browser, assert_accessible: Look
) -> None:
    link = await first_link(system)
    context = await browser.new_context(viewport=WINDOW, base_url=urljoin(link, "/"))
    context.set_default_timeout(15_000)
    page = await heard(context)
    await become_administrator(page, link)
    await page.goto("/")
    await page.get_by_role("link", name="New mailbox").first.click()
    server = system.dovecot
    await fill_in(page, new_mailbox(USER, server.users[USER], server.tls_port, server.ca_file))
    await try_out(page, "")
    await page.go_back()
    await page.locator("#test h2").scroll_into_view_if_needed()
    await picture(page, "test")
    await press(page, "Next: Domains")
    await page.get_by_label("Blocked email").fill("*@offers.example")
    await press(page, "Next: Review")
    await press(page, "Submit")
    await healthy(page)
    server.deliver(USER, mail(sender="ada@customer.example", to=USER, subject="The printer is on fire"))
    server.deliver(USER, mail(sender="sale@offers.example", to=USER, subject="Buy now"))
    await until(page, "/tickets", "The printer is on fire")
    await assert_accessible(page)
    await page.get_by_role("link", name="INC-000001").click()
    await expect(page.get_by_role("heading", name="INC-000001")).to_be_visible()
    await assert_accessible(page)
    await until(page, "/mails?q=offers.example", "Buy now")
    await page.get_by_role("link", name="Buy now").click()
    decided = page.locator(".lead").get_by_text("The sender sale@offers.example is blocked by *@offers.example.")
    await expect(decided).to_be_visible()
    await assert_accessible(page)
    await picture(page, "trace")
    now = datetime.now(UTC)
    for letter in SUPPORT:
        server.deliver(USER, render(letter, "pictures", now))
    mails = await system.settled("support", 2 + len(SUPPORT))
    await until(page, "/", f"{len(mails)} mails")
    await assert_accessible(page)
    await picture(page, "overview")
    await system.balance()


async def first_link(system: Pipeline) -> str:
    """What the console prints while nobody may sign in."""
    for _ in range(150):
        for line in system.log:
            if FIRST_LINK in line:
                return line.rpartition(" ")[2]
        await asyncio.sleep(0.2)
    raise AssertionError("no link was printed")


async def become_administrator(page: Page, link: str) -> None:
    await page.goto(link)
    await page.get_by_label("Name").fill("ada")
    await page.get_by_label("Password").fill(PASSWORD)
    await page.get_by_label("The same again").fill(PASSWORD)
    await press(page, "Set the password and sign in")
    await expect(page.get_by_text("Welcome, ada.")).to_be_visible()


async def healthy(page: Page) -> None:
    """The page of the mailbox, once mail is waited for."""
    await expect(page.get_by_text("support is saved.")).to_be_visible()
    await until(page, page.url, "waits for new mail (IDLE)")


async def until(page: Page, path: str, words: str) -> None:
    """Look at a page again and again, as a person does, until it shows these words."""
    found = page.get_by_text(words).first
    for _ in range(PATIENCE // 1000):
        await page.goto(path)
        if await found.is_visible():
            return
        await asyncio.sleep(1)
    raise AssertionError(f"{path} never showed: {words}")


async def picture(page: Page, name: str) -> None:
    """For the README, if it is wanted."""
    if PICTURES:
        await page.screenshot(path=Path(PICTURES) / f"{name}.png")
