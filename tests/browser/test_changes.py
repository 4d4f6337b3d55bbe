"""A mailbox is changed, by two people at once, back again, and tried on past mail; and what each role is shown."""

from collections.abc import Awaitable, Callable

import pytest
from playwright.async_api import Page, expect

from shared.domain.access import Role
from shared.domain.mailbox import BasicAuth, Mailbox
from tests.browser.conftest import Visit
from tests.support.backtests import write_past
from tests.support.console import Console
from tests.support.imap import USER
from tests.support.wizard import press

Look = Callable[[Page], Awaitable[None]]
EDIT = "/mailboxes/support/edit"
SPEC = {
    "module": "ticket",
    "email": USER,
    "imap": {"host": "imap.desk.example"},
    "auth": {"type": "basic", "password_from": {"env": "SUPPORT"}},
    "acknowledgements": {"enabled": False},
}
SHOWN = {
    Role.VIEWER: set(),
    Role.OPERATOR: {"Pause", "Test"},
    Role.EDITOR: {"Pause", "Test", "Edit", "Delete…", "New mailbox"},
    Role.ADMINISTRATOR: {"Pause", "Test", "Edit", "Delete…", "New mailbox", "Users", "API tokens", "Audit log"},
}
"""What of these each role is offered."""


async def stored(console: Console, **more: object) -> None:
    """A mailbox that is there already."""
    given = {"name": "support", "spec": SPEC, **more}
    await console.store.mailboxes.put(Mailbox.model_validate(given), {}, create=True)


async def write_rule(page: Page, blocked: str) -> None:
    """Up to the review."""
    await page.goto(f"{EDIT}/domains")
    await page.get_by_label("Blocked email").fill(blocked)
    await press(page, "Next: Review")
    await expect(page.get_by_text(f"+    - {blocked}")).to_be_visible()


async def test_who_was_slower_sees_what_the_other_did_goes_on_and_goes_back(
    console: Console, visit: Visit, assert_accessible: Look
) -> None:
    await stored(console)
    slow, fast = await visit(Role.EDITOR), await visit(Role.ADMINISTRATOR)
    await write_rule(slow, "slow.example")
    await write_rule(fast, "fast.example")
    await press(fast, "Submit")
    await expect(fast.get_by_text("support is saved.")).to_be_visible()
    await press(slow, "Submit")
    await expect(slow.get_by_role("heading", name="Somebody was faster")).to_be_visible()
    await expect(slow.get_by_text("user administrator.person")).to_be_visible()
    await expect(slow.get_by_text("+    - fast.example")).to_be_visible()
    slow.complaints.clear()  # type: ignore[attr-defined]  # the browser reports the status, 409
    await assert_accessible(slow)
    await press(slow, "Go on with my draft")
    await expect(slow.get_by_text("-    - fast.example")).to_be_visible()
    await press(slow, "Submit")
    await expect(slow.get_by_text("support is saved.")).to_be_visible()
    await slow.get_by_text("Revision 2", exact=False).first.click()
    await slow.locator('a[href$="revision=2"]').click()
    await expect(slow.get_by_role("heading", name="Go back to revision 2?")).to_be_visible()
    await assert_accessible(slow)
    await press(slow, "Make it the newest")
    await expect(slow.get_by_text("Revision 4 says what revision 2 said.")).to_be_visible()
    found = await console.store.mailboxes.get("support")
    assert found is not None
    assert found.spec.domains.blocked_senders == ("fast.example",)


@pytest.mark.parametrize("role", list(Role), ids=lambda one: one.value)
async def test_each_role_is_offered_what_it_may_do(
    console: Console, visit: Visit, assert_accessible: Look, role: Role
) -> None:
    await stored(console)
    page = await visit(role)
    offered = set[str]()
    for path in ("/mailboxes/support", "/mailboxes"):
        await page.goto(path)
        await assert_accessible(page)
        await page.locator(".menu-user summary").click()
        for name in SHOWN[Role.ADMINISTRATOR]:
            found = page.get_by_role("button", name=name, exact=True).or_(
                page.get_by_role("link", name=name, exact=True)
            )
            offered |= {name} if await found.count() else set()
    assert offered == SHOWN[role]
    await page.goto(f"{EDIT}/email")
    told = page.get_by_text("this page needs the role editor", exact=False)
    await expect(told).to_have_count(0 if role.covers(Role.EDITOR) else 1)


async def test_what_git_manages_is_read_here_and_says_so(
    console: Console, visit: Visit, assert_accessible: Look
) -> None:
    await stored(console, managed_by="apply")
    page = await visit(Role.EDITOR)
    await page.goto("/mailboxes/support")
    await expect(page.get_by_text("Managed by Git")).to_be_visible()
    await expect(page.get_by_role("link", name="Edit")).to_have_count(0)
    await press(page, "Pause")
    await expect(page.get_by_role("button", name="Resume")).to_be_visible()
    await assert_accessible(page)


async def test_rules_are_tried_on_the_last_mails_before_they_are_saved(
    console: Console, visit: Visit, assert_accessible: Look
) -> None:
    await write_past(console.store, console.clock)
    past = await console.store.mailboxes.get("support")
    assert past is not None
    auth = BasicAuth.model_validate(SPEC["auth"])
    complete = past.model_copy(update={"spec": past.spec.model_copy(update={"auth": auth})})
    await console.store.mailboxes.put(complete, {})
    page = await visit(Role.EDITOR)
    await page.goto(f"{EDIT}/domains")
    await page.get_by_label("If email in To address").uncheck()
    await press(page, "What would have become of the last mails")
    await expect(page.get_by_text("8 mails of support tried;")).to_be_visible()
    row = page.get_by_role("row").filter(has_text="rejected: not_in_to")
    await expect(row.first).to_be_visible()
    await assert_accessible(page)
    await page.get_by_role("link", name="Back to the rules").click()
    await expect(page.get_by_label("If email in To address")).not_to_be_checked()
    kept = await console.store.mailboxes.get("support")
    assert kept is not None
    assert kept.spec.domains.only_if_in_to, "nothing is saved"
