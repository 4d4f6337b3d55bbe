"""A person fills in the tab Email Config, and what the page says of a test."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from playwright.async_api import Page, expect

TESTED = 30_000
"""Milliseconds: how long a test of a mailbox may take."""
CHOICES = ("auth.type", "provider", "oauth2_microsoft.flow", "imap.startFrom")
LISTS = ("imap.encryption", "smtp.encryption")


async def fill_in(page: Page, values: Mapping[str, Any]) -> None:
    """The fields of the page by name, in that order; True and False are switches."""
    for name, value in values.items():
        field = page.locator(f'[name="{name}"]')
        if isinstance(value, bool):
            await field.set_checked(value)
        elif name in CHOICES:
            await page.locator(f'[name="{name}"][value="{value}"]').check()
        elif name in LISTS:
            await field.select_option(value)
        else:
            await field.fill(str(value))


async def press(page: Page, button: str) -> None:
    """Press a button."""
    await page.get_by_role("button", name=button, exact=True).click()


def new_mailbox(address: str, password: str, port: int, ca_file: Path | str, **more: Any) -> dict[str, Any]:
    """The fields of a new mailbox on this machine that signs in with a password and acknowledges nothing."""
    return {
        "name": "support",
        "email": address,
        "basic.password": password,
        "imap.host": "localhost",
        "imap.port": port,
        "imap.caFile": ca_file,
        "acknowledgements.enabled": False,
        **more,
    }


async def try_out(page: Page, code: str) -> None:
    """Test what is typed; the step that fails shows `code` and what to do, and "Next" goes nowhere. Without a code all
    is well, and "Next" leads to the rules."""
    await press(page, "Test")
    if not code:
        await expect(page.get_by_text("These values passed the test.")).to_be_visible(timeout=TESTED)
        await press(page, "Next: Domains")
        await expect(page.get_by_label("Blocked email")).to_be_visible()
        return
    failed = page.locator(".step-failed").filter(has_text=code)
    await expect(failed).to_be_visible(timeout=TESTED)
    await expect(failed.get_by_text("What to do:")).to_be_visible()
    await expect(page.get_by_role("heading", name="support")).to_be_visible(timeout=TESTED)
    await press(page, "Next: Domains")
    await expect(page.get_by_text("These values have not passed a test.")).to_be_visible()
