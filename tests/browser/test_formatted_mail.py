"""A mail with its formatting, in a browser: its own images are there, and another server's only once somebody asked."""

from collections.abc import Callable

import pytest
from playwright.async_api import Page, Request, expect

from shared.domain.access import Role
from tests.browser.conftest import Visit
from tests.support.console import Console
from tests.support.mails import Attached, mail
from tests.support.wild import inbox

TRACKER = "http://tracker.invalid/1.gif"
DOT = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010802000000907753de0000000c49444154789c63f8cfc00000030101"
    "00c9fe92ef0000000049454e44ae426082"
)
LETTER = (
    f'<h2>Hello</h2><p><a href="https://people.example/x">a link</a></p><img src="cid:dot@x" alt="Dot">'
    f'<img src="{TRACKER}" alt="Tracker"><script>document.title = "taken"</script>'
)


@pytest.mark.parametrize("scripts", [True, False], ids=["with scripts", "without"])
async def test_rows_67_and_70_nothing_of_another_server_loads_until_the_button_is_pressed(
    console: Console, visit: Visit, assert_accessible: Callable[[Page], object], scripts: bool
) -> None:
    desk = await inbox(console.store, console.clock)
    given = mail(html=LETTER, text="Hello\n", attachments=[Attached("dot.png", DOT, "image/png", content_id="dot@x")])
    ticket = await desk.opened("a", given)
    page, asked = await visit(Role.VIEWER, java_script_enabled=scripts, viewport={"width": 360, "height": 800}), []
    page.on("request", lambda one: _note(one, asked))
    await page.goto(f"/tickets/{ticket.number}")
    await page.get_by_role("link", name="Show mail 1 with its formatting").click()
    letter = page.frame_locator("iframe.formatted")
    await expect(letter.get_by_role("heading", name="Hello")).to_be_visible()
    dot = letter.get_by_alt_text("Dot")
    await expect(dot).to_be_visible()
    if scripts:
        assert await dot.evaluate("image => image.naturalWidth") == 1
        await assert_accessible(page)  # type: ignore[misc]
    assert asked == []
    await page.get_by_role("button", name="Show remote images").click()
    await expect(page.get_by_text("are loaded, this once")).to_be_visible()
    await expect(letter.get_by_alt_text("Tracker")).to_be_attached()
    await page.wait_for_load_state("networkidle")
    assert asked == [(TRACKER, "")]
    await page.goto(f"/tickets/{ticket.number}?formatted=a")
    await expect(letter.get_by_role("heading", name="Hello")).to_be_visible()
    await page.wait_for_load_state("networkidle")
    assert asked == [(TRACKER, "")]


def _note(request: Request, asked: list[tuple[str, str]]) -> None:
    """What the browser wants from elsewhere, and where it says that it was read."""
    if "localhost" not in request.url:
        asked.append((request.url, request.headers.get("referer", "")))
