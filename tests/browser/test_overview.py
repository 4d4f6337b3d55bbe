"""The first page: how to begin, then the books, the charts and what needs somebody; kept fresh while it is seen."""

from collections.abc import Awaitable, Callable

from playwright.async_api import Page, expect

from shared.domain.access import Role
from shared.store.client import Store
from tests.browser.conftest import Visit
from tests.support.console import Console
from tests.support.embedded_store import FakeClock
from tests.support.overviews import count, write_days

Look = Callable[[Page], Awaitable[None]]
PHONE = {"width": 360, "height": 740}


async def test_a_new_system_shows_the_three_steps_to_the_first_ticket(
    console: Console, visit: Visit, assert_accessible: Look
) -> None:
    page = await visit(Role.VIEWER)
    await page.goto("/")
    await expect(page.get_by_role("heading", name="Three steps to the first ticket")).to_be_visible()
    await expect(page.locator(".steps li")).to_have_count(3)
    await assert_accessible(page)
    await page.get_by_role("link", name="To the mailboxes").click()
    await expect(page.get_by_role("heading", name="Mailboxes", exact=True)).to_be_visible()


async def test_the_sum_adds_up_and_the_charts_can_be_read_as_tables(
    console: Console, store: Store, clock: FakeClock, visit: Visit, assert_accessible: Look
) -> None:
    await write_days(store, clock)
    for options in ({}, {"color_scheme": "dark"}, {"viewport": PHONE}):
        page = await visit(Role.ADMINISTRATOR, **options)
        await page.goto("/")
        whole, *terms, unaccounted = [
            int(one.replace(",", "")) for one in await page.locator(".sum dd").all_inner_texts()
        ]
        assert (whole, unaccounted) == (sum(terms), 0)
        assert whole > 0
        await page.get_by_text("As a table").first.click()
        await expect(page.locator("#table-hour tbody tr")).to_have_count(24)
        await assert_accessible(page)


async def test_it_is_told_anew_while_it_is_seen_and_what_is_unfolded_stays(
    console: Console, store: Store, clock: FakeClock, visit: Visit, assert_accessible: Look
) -> None:
    await write_days(store, clock)
    page = await visit(Role.VIEWER)
    await page.clock.install()
    await page.goto("/")
    await page.get_by_text("As a table").first.click()
    await page.evaluate("document.activeElement.blur()")
    await count(store, clock.now(), "late", {"ticket": 4321})
    await page.clock.run_for(11_000)
    await expect(page.locator(".sum-whole dd")).to_have_text("4,321")
    await expect(page.locator("#table-hour")).to_have_attribute("open", "")
    await assert_accessible(page)


async def test_without_a_script_a_link_tells_it_anew(
    console: Console, store: Store, clock: FakeClock, visit: Visit
) -> None:
    await write_days(store, clock)
    page = await visit(Role.VIEWER, java_script_enabled=False)
    await page.goto("/")
    await count(store, clock.now(), "late", {"ticket": 4321})
    await page.get_by_role("link", name="Refresh").click()
    await expect(page.locator(".sum-whole dd")).to_have_text("4,321")
    await expect(page.locator("[data-live-note]")).to_be_hidden()
