"""A person makes a mailbox of each authentication type; the password is in `test_mailboxes`."""

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest_asyncio
from playwright.async_api import Page, expect

from services.all_in_one.demo.dovecot import Dovecot
from shared.domain.access import Role
from shared.store.client import Store
from tests.browser.conftest import Visit
from tests.contract.oauth.conftest import SECRET, mail_server, provider
from tests.support.canary import secret
from tests.support.console import Console, running_console
from tests.support.dovecot import ShortLived
from tests.support.embedded_store import FakeClock
from tests.support.identity import TENANT, Provider
from tests.support.imap import USER
from tests.support.ntlm import ntlm_dovecot
from tests.support.sign_ins import PUBLIC_CLIENT, register
from tests.support.wizard import fill_in, new_mailbox, press, try_out

__all__ = ["mail_server", "provider"]
Look = Callable[[Page], Awaitable[None]]
DOMAIN_USER = "CORP\\ann"


@pytest_asyncio.fixture
async def empty(store: Store, clock: FakeClock, provider: Provider) -> AsyncIterator[Console]:
    """A console that asks our identity provider for tokens, and to which that lets people come back."""
    async with running_console(store, clock, authorities=provider.authorities) as running:
        register(provider, f"{running.url}/sign-in/callback")
        yield running


def microsoft(server: Dovecot, provider: Provider, **more: object) -> dict[str, object]:
    """The fields of a mailbox at Microsoft, whose servers are ours."""
    kept = new_mailbox(USER, "", server.tls_port, server.ca_file)
    del kept["basic.password"]
    return {
        "auth.type": "oauth2_microsoft",
        **kept,
        "oauth2_microsoft.tenantId": TENANT,
        "oauth2_microsoft.authority": provider.authority,
        **more,
    }


async def test_an_application_signs_in_at_microsoft_once_its_secret_is_right(
    console: Console, visit: Visit, assert_accessible: Look, mail_server: Dovecot, provider: Provider
) -> None:
    page = await visit(Role.EDITOR)
    await page.goto("/mailboxes/new/email")
    wrong = {"oauth2_microsoft.clientId": "app-1", "oauth2_microsoft.clientSecret": secret("its id instead")}
    await fill_in(page, microsoft(mail_server, provider, **wrong))
    await try_out(page, "IMAP_OAUTH_SECRET_WRONG")
    await assert_accessible(page)
    await fill_in(page, {"oauth2_microsoft.clientSecret": SECRET})
    await try_out(page, "")
    await press(page, "Next: Review")
    await press(page, "Submit")
    await expect(page.get_by_text("support is saved.")).to_be_visible()
    kept = await console.store.mailboxes.get("support")
    assert kept is not None
    assert kept.spec.auth.type == "oauth2_microsoft"


async def test_a_person_signs_in_with_microsoft_from_the_page_of_the_mailbox(
    console: Console, visit: Visit, assert_accessible: Look, mail_server: Dovecot, provider: Provider
) -> None:
    page = await visit(Role.EDITOR, ignore_https_errors=True)
    await page.goto("/mailboxes/new/email")
    person = {"oauth2_microsoft.flow": "delegated", "oauth2_microsoft.clientId": PUBLIC_CLIENT}
    await fill_in(page, microsoft(mail_server, provider, **person))
    await press(page, "Next: Domains")
    await press(page, "Next: Review")
    await press(page, "Submit")
    await expect(page.get_by_text("support is saved.")).to_be_visible()
    await press(page, "Sign in with Microsoft")
    await assert_accessible(page)
    await press(page, "Continue to Microsoft")
    await expect(page.get_by_text("Mailbox support is read within seconds.")).to_be_visible()
    await assert_accessible(page)
    await page.goto("/mailboxes/support")
    await press(page, "Test")
    await expect(page.locator(".step-ok").filter(has_text="IMAP: folder")).to_be_visible(timeout=30_000)


async def test_a_domain_user_signs_in_to_an_exchange_server(
    console: Console, visit: Visit, assert_accessible: Look, tmp_path: Path
) -> None:
    users = {DOMAIN_USER: secret("correct horse")}
    with ntlm_dovecot(users) as extra:
        async with ShortLived(tmp_path / "exchange", {}, extra=extra) as server:
            page = await visit(Role.EDITOR)
            await page.goto("/mailboxes/new/email")
            kept = new_mailbox(USER, "", server.tls_port, server.ca_file)
            del kept["basic.password"]
            await fill_in(page, {"auth.type": "exchange", **kept, "exchange.domainUser": DOMAIN_USER})
            await fill_in(page, {"exchange.password": secret("wrong horse")})
            await try_out(page, "IMAP_AUTH_DENIED")
            await fill_in(page, {"exchange.password": users[DOMAIN_USER]})
            await press(page, "Test")
            await expect(page.get_by_text(f"Signed in as {DOMAIN_USER} with NTLM.")).to_be_visible(timeout=30_000)
            await assert_accessible(page)
            await press(page, "Next: Domains")
            await press(page, "Next: Review")
            await press(page, "Submit")
            await expect(page.get_by_text("support is saved.")).to_be_visible()
