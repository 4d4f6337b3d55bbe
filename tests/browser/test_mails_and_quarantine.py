"""A person asks what became of a mail, and sends mails again: with a script, without one, and on a telephone."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Page, expect

from shared.domain.access import Role
from shared.domain.ledger import State
from tests.browser.conftest import Visit
from tests.support.books import BLOCKED, CAUSE, NUMBER, SENDER, SENTENCE, STUCK, STUCK_TOO, SUBJECTS, write_books
from tests.support.console import Console

Look = Callable[[Page], Awaitable[None]]
PHONE = {"width": 360, "height": 740}
PATIENCE = 60_000
"""Milliseconds: a dry run starts a process that parses the mails."""
PATHS = (
    "/mails",
    f"/mails?q={SENDER}&outcome=rejected",
    f"/mails/{BLOCKED}",
    f"/mails/{BLOCKED}/replay",
    f"/mails/{STUCK}/discard",
    "/tickets",
    f"/tickets/{NUMBER}",
    "/quarantine",
    f"/quarantine/{CAUSE}",
    f"/quarantine/{CAUSE}/replay",
    "/events",
)


@pytest_asyncio.fixture
async def books(console: Console) -> Console:
    await write_books(console.store)
    return console


async def test_the_trace_of_a_rejected_mail_leads_to_the_rule_and_its_setting(
    books: Console, visit: Visit, assert_accessible: Look
) -> None:
    page = await visit(Role.VIEWER)
    await page.goto("/mails")
    await page.get_by_label("Search").fill("offer print")
    await page.keyboard.press("Enter")
    await expect(page.get_by_text("Understood as: mails with “offer print” in their subject.")).to_be_visible()
    await assert_accessible(page)
    await page.get_by_role("link", name=SUBJECTS[BLOCKED]).click()
    await expect(page.get_by_role("heading", name=SUBJECTS[BLOCKED])).to_be_visible()
    await expect(page.locator(".verdict").get_by_text(SENTENCE)).to_be_visible()
    await expect(page.locator(".timeline").get_by_text(SENTENCE)).to_be_visible()
    setting = page.get_by_role("link", name="Setting: domains.blockedSenders")
    await expect(setting).to_have_attribute("href", "/mailboxes/support")
    await expect(page.get_by_role("link", name="Send it again…")).to_have_count(0)
    await assert_accessible(page)


async def test_a_replay_shows_the_difference_before_it_is_done(
    books: Console, visit: Visit, assert_accessible: Look
) -> None:
    page = await visit(Role.OPERATOR)
    page.set_default_timeout(PATIENCE)
    await page.goto(f"/mails/{BLOCKED}")
    await page.get_by_role("link", name="Send it again…").click()
    await expect(page.get_by_role("heading", name="It would become")).to_be_visible()
    await expect(page.locator(".difference").get_by_text("Ticket", exact=True)).to_be_visible()
    await assert_accessible(page)
    await page.get_by_label("Why?").fill("The partner is welcome.")
    await page.get_by_role("button", name="Send it again").click()
    await expect(page.get_by_text("The mail is in flight again")).to_be_visible()
    await assert_accessible(page)
    entry = await books.store.ledger.get(BLOCKED)
    assert entry is not None and (entry.state, entry.version) == (State.STORED, 2)


async def test_a_group_of_the_quarantine_is_sent_again_without_a_script(books: Console, visit: Visit) -> None:
    page = await visit(Role.OPERATOR, java_script_enabled=False)
    page.set_default_timeout(PATIENCE)
    await page.goto("/quarantine")
    await page.get_by_role("link", name="Store busy").click()
    await page.get_by_role("link", name="Send them again…").click()
    await page.get_by_label("Why?").fill("The store is well.")
    await page.get_by_role("button", name="Send again: 2 mails").click()
    await expect(page.get_by_text("2 mails are in flight again")).to_be_visible()
    await expect(page.get_by_text("Nothing is in quarantine")).to_be_visible()
    found = await books.store.ledger.get_many([STUCK, STUCK_TOO])
    assert {one.state for one in found.values()} == {State.STORED}


async def test_nothing_found_explains_itself(books: Console, visit: Visit, assert_accessible: Look) -> None:
    page = await visit(Role.VIEWER)
    await page.goto("/mails")
    await page.get_by_label("Search").fill("nobody@elsewhere.example")
    await page.get_by_text("Filters").click()
    await page.get_by_label("Mailbox").select_option("support")
    await page.get_by_role("button", name="Search").click()
    await expect(page.get_by_role("heading", name="Nothing found")).to_be_visible()
    await expect(page.get_by_text("No fetcher has read it yet.")).to_be_visible()
    await assert_accessible(page)


@pytest.mark.parametrize("options", [{"color_scheme": "light"}, {"color_scheme": "dark", "viewport": PHONE}], ids=str)
async def test_every_page_is_for_everybody_in_light_and_in_dark_and_on_a_telephone(
    books: Console, visit: Visit, assert_accessible: Look, options: dict[str, Any]
) -> None:
    page = await visit(Role.OPERATOR, **options)
    page.set_default_timeout(PATIENCE)
    for path in PATHS:
        await page.goto(path)
        await assert_accessible(page)
