"""A person comes for the first time, goes, and comes back; also without a script, and on a telephone."""

from collections.abc import Awaitable, Callable

from playwright.async_api import Page, expect

from services.console.users import first_link
from shared.domain.access import Role
from tests.browser.conftest import Visit
from tests.support.console import PASSWORD, Console, name_of

Look = Callable[[Page], Awaitable[None]]
PHONE = {"width": 360, "height": 740}


async def test_the_first_administrator_comes_goes_and_comes_back(
    empty: Console, visit: Visit, assert_accessible: Look
) -> None:
    page = await visit()
    await first_start(empty, page, assert_accessible)
    await page.get_by_text("ada", exact=True).first.click()
    await page.get_by_role("button", name="Sign out").click()
    await expect(page.get_by_text("You are signed out.")).to_be_visible()
    await come_back(page)
    await expect(page.get_by_role("heading", name="Overview")).to_be_visible()


async def test_the_same_without_a_script(empty: Console, visit: Visit) -> None:
    page = await visit(java_script_enabled=False)
    await first_start(empty, page, None)
    await page.locator(".menu-user summary").click()
    await page.get_by_role("button", name="Sign out").click()
    await come_back(page)
    await page.goto("/users/new")
    await page.get_by_label("Name").fill("grace")
    await page.get_by_label("Operator").check()
    await page.get_by_role("button", name="Add and make a one-time link").click()
    await expect(page.get_by_role("heading", name="grace is invited")).to_be_visible()


async def test_on_a_telephone_everything_fits_and_the_menu_unfolds(
    console: Console, visit: Visit, assert_accessible: Look
) -> None:
    page = await visit(Role.ADMINISTRATOR, viewport=PHONE)
    for path in ("/", "/mailboxes", "/users", "/users/new", f"/users/{name_of(Role.VIEWER)}", "/account"):
        await page.goto(path)
        await assert_accessible(page)
    await page.get_by_text("Menu", exact=True).click()
    await page.get_by_role("link", name="Users", exact=True).click()
    await expect(page.get_by_role("heading", name="Users")).to_be_visible()


async def test_every_page_is_for_everybody_in_light_and_in_dark(
    console: Console, visit: Visit, assert_accessible: Look
) -> None:
    key = name_of(Role.EDITOR)
    for scheme in ("light", "dark"):
        page = await visit(Role.ADMINISTRATOR, color_scheme=scheme)
        for path in ("/", "/mailboxes", "/users", "/users/new", f"/users/{key}", f"/users/{key}/remove", "/account"):
            await page.goto(path)
            await assert_accessible(page)
        stranger = await visit(color_scheme=scheme)
        await stranger.goto("/sign-in")
        await assert_accessible(stranger)


async def test_by_keyboard_alone_a_person_signs_in_and_skips_to_the_content(console: Console, visit: Visit) -> None:
    page = await visit()
    await page.goto("/sign-in")
    await page.keyboard.type(name_of(Role.VIEWER))
    await page.keyboard.press("Tab")
    await page.keyboard.type(PASSWORD)
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("heading", name="Overview")).to_be_visible()
    await page.keyboard.press("Tab")
    await page.keyboard.press("Enter")
    assert await page.evaluate("document.activeElement.id") == "main"


async def first_start(empty: Console, page: Page, look: Look | None) -> None:
    link = await first_link(empty.store)
    assert link is not None
    await page.goto(f"/welcome?token={link.get_secret_value()}")
    if look:
        await look(page)
    await page.get_by_label("Name").fill("ada")
    await page.get_by_label("Password").fill(PASSWORD)
    await page.get_by_label("The same again").fill(PASSWORD)
    await page.get_by_role("button", name="Set the password and sign in").click()
    await expect(page.get_by_text("Welcome, ada.")).to_be_visible()
    if look:
        await look(page)


async def come_back(page: Page) -> None:
    await page.goto("/sign-in")
    await page.get_by_label("Name").fill("ada")
    await page.get_by_label("Password").fill(PASSWORD)
    await page.get_by_role("button", name="Sign in").click()
