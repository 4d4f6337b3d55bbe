"""Several mailboxes at once, configuration as YAML, and old mail: the pages of it, on a screen and on a telephone."""

from collections.abc import Awaitable, Callable

import pytest
from playwright.async_api import Page, expect

from shared.domain.access import Role
from tests.browser.conftest import Visit
from tests.contract.web.test_configuration_pages import NEW
from tests.contract.web.test_mailbox_pages import stored
from tests.support.console import Console
from tests.support.wizard import press

Look = Callable[[Page], Awaitable[None]]
WAITED = 20_000
"""Milliseconds: the page waits 10 s for a fetcher."""
LOOKS = {"a screen": {}, "a telephone in the dark": {"viewport": {"width": 360, "height": 740}, "color_scheme": "dark"}}


@pytest.mark.parametrize("look", LOOKS)
async def test_chosen_ones_are_paused_and_documents_are_imported_after_a_look(
    console: Console, visit: Visit, assert_accessible: Look, look: str
) -> None:
    for name in ("billing", "support"):
        await stored(console, name)
    page = await visit(Role.ADMINISTRATOR, **LOOKS[look])
    await page.goto("/mailboxes")
    await page.get_by_label("Choose billing").check()
    await press(page, "Pause")
    await expect(page.get_by_text("Now paused: billing.")).to_be_visible()
    await assert_accessible(page)
    await page.get_by_role("link", name="Import YAML").click()
    await page.get_by_label("YAML documents").fill(NEW)
    await assert_accessible(page)
    await press(page, "Show what would change")
    await expect(page.get_by_text("+  email: fresh@desk.example")).to_be_visible()
    await assert_accessible(page)
    await press(page, "Import")
    await page.goto("/mailboxes")
    await expect(page.get_by_role("link", name="fresh", exact=True)).to_be_visible()


@pytest.mark.parametrize("look", LOOKS)
async def test_old_mail_is_counted_before_it_is_taken(
    console: Console, visit: Visit, assert_accessible: Look, look: str
) -> None:
    await stored(console)
    page = await visit(Role.EDITOR, **LOOKS[look])
    await page.goto("/mailboxes/support")
    await press(page, "Read now")
    await assert_accessible(page)
    await page.get_by_role("link", name="Import old mail…").click()
    await assert_accessible(page)
    await page.get_by_label("Since").fill("2026-02-01")
    await page.get_by_role("button", name="Count").click(timeout=WAITED)  # nobody reads it here, so nobody counts
    await expect(page.get_by_role("link", name="Look again")).to_be_visible()
    await assert_accessible(page)
