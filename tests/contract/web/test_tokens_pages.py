"""API tokens by page: made and shown once, listed without their text, revoked after a question."""

import html
import re

import httpx
import pytest

from shared.domain.access import Role
from tests.support.console import Console, name_of, there

ADMIN = f"user {name_of(Role.ADMINISTRATOR)}"


def plain(page: httpx.Response) -> str:
    """The words of a page."""
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", page.text)).split())


def text_on(page: httpx.Response) -> str:
    """The token on the page that answers."""
    return re.findall(r'value="(mat_[^"]+)"', page.text)[0]


async def use(console: Console, token: str) -> int:
    """How the API answers to it."""
    async with httpx.AsyncClient(base_url=console.url) as program:
        return (await program.get("/api/v1/mailboxes", headers={"Authorization": f"Bearer {token}"})).status_code


async def test_a_token_is_shown_once_opens_the_api_and_is_closed_for_ever(console: Console) -> None:
    async with await console.signed_in(Role.ADMINISTRATOR) as admin:
        assert "No API token yet" in (await admin.get("/tokens")).text
        given = {"name": "Grafana board", "role": "operator", "days": "30"}
        made = await admin.submit(await admin.get("/tokens/new"), "/tokens/new", **given)
        assert (made.status_code, made.headers["cache-control"]) == (200, "no-store")
        text = text_on(made)
        assert "Copy it now" in plain(made)
        assert await use(console, text) == 200
        (token,) = await console.store.api_tokens.all()
        listed = await admin.get("/tokens")
        assert f"Grafana board {token.token_id} Operator just now by {ADMIN} 31 Mar 2026, 12:00 UTC Open" in plain(
            listed
        )
        assert text.rpartition("_")[2] not in listed.text
        asked = await admin.get(f"/tokens/{token.token_id}/revoke")
        assert await use(console, text) == 200
        assert there(await admin.submit(asked, f"/tokens/{token.token_id}/revoke")) == "/tokens"
        assert await use(console, text) == 401
        assert "Revoked" in plain(await admin.get("/tokens"))
        assert (await admin.get(f"/tokens/{token.token_id}/revoke")).status_code == 404
        log = plain(await admin.get("/audit?kind=ApiToken"))
    assert ("Revoke API token Grafana board" in log, text.rpartition("_")[2] in log) == (True, False)
    records = await console.store.audit.page(kind="ApiToken")
    assert [(one.action, one.who) for one in records] == [("revoke", ADMIN), ("create", ADMIN)]


async def test_a_token_without_days_never_expires_and_an_expired_one_says_so(console: Console) -> None:
    async with await console.signed_in(Role.ADMINISTRATOR) as admin:
        for name, days in (("forever", ""), ("short", "1")):
            shown = await admin.get("/tokens/new")
            await admin.submit(shown, "/tokens/new", name=name, role="viewer", days=days)
    console.clock.advance(days=2)
    async with await console.signed_in(Role.ADMINISTRATOR) as admin:
        page = plain(await admin.get("/tokens"))
    assert re.search(r"forever \w+ Viewer .*? never Open", page)
    assert re.search(r"short \w+ Viewer .*? 02 Mar 2026, 12:00 UTC Expired", page)


@pytest.mark.parametrize(
    ("given", "field"),
    [({"name": ""}, "name"), ({"role": "owner"}, "role"), ({"days": "soon"}, "days"), ({"days": "0"}, "days")],
)
async def test_what_is_wrong_stands_at_its_field_and_no_token_is_made(
    console: Console, given: dict[str, str], field: str
) -> None:
    sent = {"name": "board", "role": "viewer", "days": "7", **given}
    async with await console.signed_in(Role.ADMINISTRATOR) as admin:
        answer = await admin.submit(await admin.get("/tokens/new"), "/tokens/new", **sent)
    assert (answer.status_code, f'id="{field}-error"' in answer.text) == (422, True)
    assert f'value="{html.escape(sent["days"])}"' in answer.text
    assert await console.store.api_tokens.all() == ()
