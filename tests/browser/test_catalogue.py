"""A person writes the catalogue: what keywords would catch and change before they are saved; and what is kept of it."""

from collections.abc import Awaitable, Callable

import pytest
from playwright.async_api import Page, expect

from shared.domain.access import Role
from shared.domain.catalogue import Catalogue, Department, Service
from tests.browser.conftest import Visit
from tests.support.backtests import write_past
from tests.support.console import Console

Look = Callable[[Page], Awaitable[None]]
PHONE = {"width": 360, "height": 740}
PATIENCE = 60_000
"""Milliseconds: a back-test starts a process that parses the mails."""


async def press(page: Page, button: str) -> None:
    """Press a button."""
    await page.get_by_role("button", name=button, exact=True).click()


@pytest.mark.parametrize("script", [True, False], ids=["with a script", "without a script"])
async def test_from_an_empty_catalogue_to_a_service_that_was_tried_before_it_was_saved(
    console: Console, visit: Visit, assert_accessible: Look, script: bool
) -> None:
    async def look(there: Page) -> None:
        if script:
            await assert_accessible(there)

    await write_past(console.store, console.clock)
    page = await visit(Role.EDITOR, java_script_enabled=script)
    page.set_default_timeout(PATIENCE)
    await page.goto("/catalogue")
    await expect(page.get_by_role("heading", name="The catalogue is empty")).to_be_visible()
    await look(page)
    await page.get_by_role("link", name="New service").click()
    await look(page)
    await page.get_by_label("Name", exact=True).fill("network")
    await page.get_by_label("Keywords").fill("vpn\nprinter on fire\nflood")
    if script:
        await page.get_by_role("button", name="Remove flood").click()
        await expect(page.get_by_role("button", name="Remove printer on fire")).to_be_visible()
    await press(page, "Which subjects would it catch?")
    await expect(page.get_by_role("heading", name="Which subjects it would catch")).to_be_in_viewport()
    await expect(page.get_by_role("link", name="VPN is slow")).to_be_visible()
    await expect(page.get_by_label("Name", exact=True)).to_have_value("network")
    await look(page)
    await press(page, "What would have become of the last mails")
    await expect(page.get_by_text("The subject has the keyword “vpn” of the service network.")).to_be_visible()
    await look(page)
    await press(page, "Save")
    await expect(page.get_by_text("The service network is saved and counts within seconds.")).to_be_visible()
    await look(page)
    service = (await console.store.catalogue.load()).service("network")
    assert service is not None
    assert service.keywords == (("vpn", "printer on fire") if script else ("vpn", "printer on fire", "flood"))


async def test_who_was_slower_keeps_what_was_typed_and_saves_over_it(
    console: Console, visit: Visit, assert_accessible: Look
) -> None:
    saved = await console.store.catalogue.save(Catalogue(services=(Service(name="vpn", keywords=("vpn",)),)))
    page = await visit(Role.EDITOR)
    await page.goto("/catalogue/services/vpn")
    await page.get_by_label("Title").fill("Remote access")
    await console.store.catalogue.save(saved.model_copy(update={"departments": (Department(name="desk"),)}))
    await press(page, "Save")
    await expect(page.get_by_text("The catalogue was changed meanwhile.")).to_be_visible()
    await expect(page.get_by_label("Title")).to_have_value("Remote access")
    page.complaints.clear()  # type: ignore[attr-defined]  # the browser says that the answer was 409
    await assert_accessible(page)
    await press(page, "Save over it")
    await expect(page.get_by_role("link", name="vpn")).to_be_visible()
    found = await console.store.catalogue.load()
    assert (found.services[0].title, len(found.departments)) == ("Remote access", 1)


async def test_the_pages_of_an_administrator_fit_a_telephone_in_the_dark_and_a_desk(
    console: Console, visit: Visit, assert_accessible: Look
) -> None:
    catalogue = Catalogue(services=(Service(name="vpn", keywords=("vpn",)),), departments=(Department(name="desk"),))
    await console.store.catalogue.save(catalogue)
    page = await visit(Role.ADMINISTRATOR, viewport=PHONE, color_scheme="dark")
    await page.goto("/tokens/new")
    await page.get_by_label("Name").fill("Grafana board")
    await press(page, "Make it and show it once")
    await assert_accessible(page)
    await page.goto("/catalogue/processes/new")
    await page.get_by_label("Name", exact=True).fill("onboarding")
    await page.get_by_label("Senders").fill("*@hr.example")
    await press(page, "Save")
    paths = ("/catalogue", "/catalogue/services/vpn", "/catalogue/processes/onboarding", "/tokens", "/audit")
    for path in (*paths, "/catalogue/departments/desk/delete"):
        await page.goto(path)
        await assert_accessible(page)
    await page.set_viewport_size({"width": 1280, "height": 720})
    await page.goto("/audit")
    await page.get_by_text("What changed").first.click()
    await expect(page.get_by_text("+- name: onboarding")).to_be_visible()
    await assert_accessible(page)
