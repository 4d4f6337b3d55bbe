"""With the keyboard alone: from the list of mailboxes to one that is tested and saved."""

from playwright.async_api import Page, expect

from services.all_in_one.demo.dovecot import Dovecot
from shared.domain.access import Role
from tests.browser.conftest import Visit
from tests.support.console import Console
from tests.support.dovecot import USERS
from tests.support.imap import USER
from tests.support.wizard import TESTED

MOST = 90
"""Presses of Tab after which nobody looks any further."""
HERE = "(words) => { const at = document.activeElement; return at.name === words || at.textContent.trim() === words; }"
SEEN = "() => { const look = getComputedStyle(document.activeElement); return look.outlineStyle !== 'none'; }"


async def go_to(page: Page, words: str) -> None:
    """Press Tab until the field of that name, or the link or button of these words, has the focus; it is seen there."""
    for _ in range(MOST):
        await page.keyboard.press("Tab")
        if await page.evaluate(HERE, words):
            assert await page.evaluate(SEEN), f"nobody sees that {words} has the focus"
            return
    raise AssertionError(f"Tab does not lead to {words}")


async def write(page: Page, field: str, words: str) -> None:
    """Into the field of that name, over what stands there."""
    await go_to(page, field)
    await page.keyboard.press("Control+A")
    await page.keyboard.type(words)


async def test_a_mailbox_is_made_with_the_keyboard_alone(console: Console, visit: Visit, dovecot: Dovecot) -> None:
    page = await visit(Role.EDITOR)
    await page.goto("/mailboxes")
    await go_to(page, "New mailbox")
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("heading", name="New mailbox")).to_be_visible()
    await page.keyboard.type("support")  # the first field has the focus
    await write(page, "email", USER)
    await go_to(page, "module")
    await page.keyboard.press("ArrowDown")
    await write(page, "basic.password", USERS[USER])
    await write(page, "imap.host", "localhost")
    await write(page, "imap.port", str(dovecot.tls_port))
    await write(page, "imap.caFile", str(dovecot.ca_file))
    await go_to(page, "acknowledgements.enabled")
    await page.keyboard.press("Space")
    await go_to(page, "Test")
    await page.keyboard.press("Enter")
    await expect(page.get_by_text("These values passed the test.")).to_be_visible(timeout=TESTED)
    await go_to(page, "Next: Domains")
    await page.keyboard.press("Enter")
    await expect(page.get_by_label("Blocked email")).to_be_visible()
    await go_to(page, "domains.allowDuplicates")
    await page.keyboard.press("Space")
    await go_to(page, "Next: Review")
    await page.keyboard.press("Enter")
    await expect(page.get_by_text("What is saved")).to_be_visible()
    await go_to(page, "Submit")
    await page.keyboard.press("Enter")
    await expect(page.get_by_text("support is saved.")).to_be_visible()
    found = await console.store.mailboxes.get("support")
    assert found is not None
    assert (found.spec.module.value, found.spec.acknowledgements.enabled) == ("request", False)
    assert found.spec.domains.allow_duplicates is False
