"""A person makes a mailbox: a test that fails and says what to do, one that passes, rules, review, listed."""

from collections.abc import Awaitable, Callable

import pytest
from playwright.async_api import Page, expect

from services.all_in_one.demo.dovecot import Dovecot
from shared.domain.access import Role
from tests.browser.conftest import Visit
from tests.support.canary import secret
from tests.support.console import Console
from tests.support.dovecot import USERS
from tests.support.wizard import TESTED, fill_in, new_mailbox, press

Look = Callable[[Page], Awaitable[None]]
USER = "support@desk.example"
WRONG = secret("not the password")
PHONE = {"width": 360, "height": 740}


@pytest.mark.parametrize("script", [True, False], ids=["with a script", "without a script"])
async def test_from_a_wrong_password_to_a_mailbox_that_is_listed(
    console: Console, visit: Visit, assert_accessible: Look, dovecot: Dovecot, script: bool
) -> None:
    async def look(there: Page) -> None:
        if script:
            await assert_accessible(there)

    page = await visit(Role.EDITOR, java_script_enabled=script)
    await page.goto("/mailboxes")
    await page.get_by_role("link", name="New mailbox").first.click()
    await expect(page.get_by_role("heading", name="New mailbox")).to_be_visible()
    await look(page)
    await fill_in(page, new_mailbox(USER, WRONG, dovecot.tls_port, dovecot.ca_file))
    await press(page, "Test")
    await expect(page.get_by_text("IMAP_AUTH_DENIED")).to_be_visible(timeout=TESTED)
    await expect(page.get_by_text("What to do:")).to_be_visible()
    await expect(page.get_by_role("heading", name="support")).to_be_visible(timeout=TESTED)
    await press(page, "Next: Domains")
    await expect(page.get_by_text("These values have not passed a test.")).to_be_visible()
    await look(page)
    await page.locator('[name="basic.password"]').fill(USERS[USER])
    await press(page, "Test")
    await expect(page.get_by_text("These values passed the test.")).to_be_visible(timeout=TESTED)
    await look(page)
    await press(page, "Next: Domains")
    await page.get_by_label("Blocked email").fill("*@spam.example, loud@desk.example")
    if script:
        await page.get_by_role("button", name="Remove loud@desk.example").click()
    await look(page)
    await press(page, "Next: Review")
    await expect(page.get_by_text("+    - '*@spam.example'")).to_be_visible()
    await look(page)
    await press(page, "Submit")
    await expect(page.get_by_text("support is saved. Fetching begins within seconds.")).to_be_visible()
    await look(page)
    await page.goto("/mailboxes")
    await expect(page.get_by_role("link", name="support")).to_be_visible()
    await look(page)
    found = await console.store.mailboxes.get("support")
    assert found is not None
    assert found.spec.domains.blocked_senders == (
        ("*@spam.example",) if script else ("*@spam.example", "loud@desk.example")
    )
    if script:
        await page.goto("/mailboxes/support")
        await press(page, "Test")
        await expect(page.get_by_text("IMAP: folder")).to_be_visible(timeout=TESTED)
        await assert_accessible(page)


async def test_a_script_shows_only_what_the_choice_needs_and_fills_in_defaults_without_losing_the_password(
    console: Console, visit: Visit, assert_accessible: Look
) -> None:
    page = await visit(Role.EDITOR)
    await page.goto("/mailboxes/new/email")
    await page.get_by_label("Email", exact=True).fill("me@gmail.com")
    await page.locator('[name="basic.password"]').fill(WRONG)
    await press(page, "Use Default")
    await expect(page.get_by_label("Mail server")).to_have_value("imap.gmail.com")
    await expect(page.locator('[name="basic.password"]')).to_have_value(WRONG)
    await expect(page.get_by_label("Client ID")).to_be_hidden()
    await page.locator('[name="auth.type"][value="oauth2_microsoft"]').check()
    await expect(page.get_by_label("Client ID")).to_be_visible()
    await expect(page.locator('[name="basic.password"]')).to_be_hidden()
    await assert_accessible(page)


async def test_every_page_of_a_mailbox_fits_on_a_telephone_in_the_dark(
    console: Console, visit: Visit, assert_accessible: Look, dovecot: Dovecot
) -> None:
    page = await visit(Role.EDITOR, viewport=PHONE, color_scheme="dark")
    await page.goto("/mailboxes/new/email")
    await assert_accessible(page)
    await fill_in(page, new_mailbox(USER, USERS[USER], dovecot.tls_port, dovecot.ca_file))
    await press(page, "Test")
    await expect(page.get_by_text("These values passed the test.")).to_be_visible(timeout=TESTED)
    await page.goto("/mailboxes/support/edit/review")
    await press(page, "Submit")
    for path in ("", "/edit/email", "/edit/domains", "/edit/review", "/delete"):
        await page.goto(f"/mailboxes/support{path}")
        await assert_accessible(page)
    await page.goto("/mailboxes")
    await assert_accessible(page)
