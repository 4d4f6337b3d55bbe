"""The whole way of a browser: link, consent page, our identity provider, callback. Then the mailbox is read."""

import re
from collections.abc import AsyncIterator
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
import pytest_asyncio

from services.all_in_one.demo.dovecot import Dovecot
from shared.domain.access import Role
from shared.domain.mailbox_runtime import Phase
from shared.store.client import Store
from tests.contract.oauth.test_fetching_with_tokens import arrived, kit_of, reaches
from tests.support.embedded_store import FakeClock
from tests.support.fetching import NAME, Published, following
from tests.support.identity import Provider
from tests.support.imap import USER, mail
from tests.support.sign_ins import PUBLIC_CLIENT, Browser, Console, console, delegated_mailbox

SHARED = "ann@desk.example"


@pytest_asyncio.fixture
async def desk(store: Store, provider: Provider) -> AsyncIterator[Console]:
    """A console with one mailbox that nobody has signed in for."""
    async with console(store, provider) as running:
        await store.mailboxes.put(delegated_mailbox(provider), {})
        yield running


@pytest_asyncio.fixture
async def browser(provider: Provider) -> AsyncIterator[Browser]:
    async with Browser(provider) as made:
        yield made


async def view(desk: Console) -> dict:
    """What the API says of the sign-in."""
    return (await desk("GET", f"/mailboxes/{NAME}")).json()["signIn"]


async def audit(store: Store) -> list[tuple[str, str, str]]:
    return [(one.action, one.who, one.outcome) for one in await store.audit.page(kind="Mailbox", name=NAME)]


def failed(shown: httpx.Response, *words: str) -> None:
    assert (shown.status_code, "Not signed in" in shown.text) == (400, True), shown.text
    assert [one for one in words if one not in shown.text] == []


async def test_a_person_signs_in_by_browser_and_the_mailbox_is_read_within_seconds(
    mail_server: Dovecot, provider: Provider, store: Store, browser: Browser
) -> None:
    mail_server.deliver(USER, mail(1))
    published = Published()
    async with console(store, provider) as desk:
        await store.mailboxes.put(delegated_mailbox(provider, mail_server), {})
        async with following(store, kit_of(store, published, provider)):
            await reaches(store, Phase.NEEDS_ATTENTION, code="sign_in_needed")
            shown = await browser.whole_way(await desk.link())
            assert shown.status_code == 200
            assert f"Signed in as {USER}" in shown.text and "close this page" in shown.text
            assert "not the mailbox" not in shown.text
            await arrived(published, 1, 8)
            await reaches(store, Phase.IDLE)
    assert [one.raw for one in published.messages] == [mail(1)]
    assert provider.grants == ["authorization_code"]


async def test_the_consent_page_says_what_it_is_about_and_loads_nothing_from_elsewhere(
    desk: Console, browser: Browser
) -> None:
    shown = await browser.go(await desk.link())
    for words in (
        NAME,
        USER,
        PUBLIC_CLIENT,
        desk.provider.authority,
        "IMAP.AccessAsUser.All",
        "SMTP.Send",
        "token editor",
    ):
        assert words in shown.text, words
    policy = shown.headers["content-security-policy"]
    assert "default-src 'none'" in policy and "script-src 'self'" in policy and "unsafe" not in policy
    assert f"form-action 'self' {desk.provider.authority}" in policy
    assert (shown.headers["cache-control"], shown.headers["referrer-policy"]) == ("no-store", "same-origin")


async def test_the_browser_is_sent_with_pkce_and_a_cookie_that_no_script_and_no_other_site_can_use(
    desk: Console, browser: Browser
) -> None:
    sent = await browser.press(await browser.go(await desk.link()))
    asked = {name: values[0] for name, values in parse_qs(urlsplit(sent.headers["location"]).query).items()}
    assert (asked["code_challenge_method"], len(asked["code_challenge"]), asked["prompt"]) == (
        "S256",
        43,
        "select_account",
    )
    assert asked["redirect_uri"] == f"{desk.url}/sign-in/callback"
    assert set(asked["scope"].split()) >= {
        "https://outlook.office365.com/IMAP.AccessAsUser.All",
        "https://outlook.office365.com/SMTP.Send",
        "offline_access",
    }
    cookie = sent.headers["set-cookie"]
    assert all(word in cookie for word in ("HttpOnly", "SameSite=lax", "Path=/sign-in", "Max-Age=600"))
    assert "Secure" not in cookie, "this console is on loopback, without TLS"


async def test_behind_a_proxy_with_tls_the_cookie_travels_over_tls_only_and_to_our_pages_only(
    provider: Provider, store: Store, browser: Browser
) -> None:
    async with console(store, provider, "https://desk.example/mail") as desk:
        await store.mailboxes.put(delegated_mailbox(provider), {})
        link = await desk.link()
        assert link.startswith("https://desk.example/mail/sign-in/")
        browser.origin = "https://desk.example/mail"
        sent = await browser.press(await browser.go(f"{desk.url}/sign-in/{link.rpartition('/')[2]}"))
    assert "Secure" in sent.headers["set-cookie"] and "Path=/mail/sign-in" in sent.headers["set-cookie"]
    asked = parse_qs(urlsplit(sent.headers["location"]).query)
    assert asked["redirect_uri"] == ["https://desk.example/mail/sign-in/callback"]


async def test_any_replica_of_the_console_can_take_the_next_step(
    desk: Console, browser: Browser, store: Store, provider: Provider
) -> None:
    async with console(store, provider, desk.url) as other:
        link = (await desk.link()).replace(desk.url, other.url)
        back = await browser.back(await browser.to_microsoft(link))
        assert back.startswith(desk.url)
        assert (await browser.go(back)).status_code == 200


async def test_who_is_signed_in_since_when_is_shown_and_audited(desk: Console, browser: Browser, store: Store) -> None:
    before = await view(desk)
    assert (before["needed"], before["account"], before["code"]) == (True, None, "sign_in_needed")
    assert "sign-in" in before["remedy"]
    await browser.whole_way(await desk.link())
    after = await view(desk)
    assert (after["needed"], after["account"], after["signedInAt"][:10]) == (False, USER, "2026-03-01")
    assert len(desk.told) == 1
    ((action, who, outcome),) = await audit(store)
    assert (action, outcome) == ("sign_in", "done")
    assert who.startswith("token editor (") and who.endswith("), by browser")


async def test_another_account_is_shown_and_not_refused(desk: Console, browser: Browser) -> None:
    desk.provider.person = SHARED
    shown = await browser.whole_way(await desk.link())
    assert shown.status_code == 200
    assert f"Signed in as {SHARED}" in shown.text and "shared mailbox" in shown.text
    assert (await view(desk))["account"] == SHARED


async def test_a_shared_mailbox_is_read_by_whoever_may_open_it(
    mail_server: Dovecot, provider: Provider, store: Store, browser: Browser
) -> None:
    provider.person, provider.opens = SHARED, {SHARED: USER}
    mail_server.deliver(USER, mail(1))
    published = Published()
    async with console(store, provider) as desk:
        await store.mailboxes.put(delegated_mailbox(provider, mail_server), {})
        await browser.whole_way(await desk.link())
        async with following(store, kit_of(store, published, provider)):
            await arrived(published, 1)
    assert f"user=<{USER}>" in mail_server.log_file.read_text()


async def test_a_link_serves_once(desk: Console, browser: Browser) -> None:
    link = await desk.link()
    await browser.whole_way(link)
    failed(await browser.go(link), "it was used", "Ask for a new one")
    assert (await browser.go(f"{link}?revision=1", "POST")).status_code == 403
    assert desk.provider.grants == ["authorization_code"]


async def test_a_state_serves_once(desk: Console, browser: Browser) -> None:
    back = await browser.back(await browser.to_microsoft(await desk.link()))
    cookies = dict(browser.client.cookies)
    assert (await browser.go(back)).status_code == 200
    browser.client.cookies.update(cookies)
    failed(await browser.go(back), "finished already")
    assert desk.provider.grants == ["authorization_code"]


async def test_nothing_can_be_finished_after_ten_minutes(desk: Console, browser: Browser, clock: FakeClock) -> None:
    link = await desk.link()
    back = await browser.back(await browser.to_microsoft(link))
    clock.advance(minutes=10, seconds=1)
    failed(await browser.go(back), "longer than ten minutes")
    failed(await browser.go(link), "older than ten minutes")
    assert desk.provider.grants == []


async def test_another_browser_cannot_finish_it_and_does_not_spoil_it(
    desk: Console, browser: Browser, provider: Provider
) -> None:
    back = await browser.back(await browser.to_microsoft(await desk.link()))
    async with Browser(provider) as foreign:
        failed(await foreign.go(back), "another browser")
        foreign.client.headers["Cookie"] = "mail_automator_sign_in=a-guess"
        failed(await foreign.go(back), "another browser")
    assert desk.provider.grants == []
    assert (await browser.go(back)).status_code == 200


@pytest.mark.parametrize("forged", ["", "state=&code=x", "state=%00&code=x", "code=x", "error=access_denied"])
async def test_an_answer_that_nobody_asked_for_does_nothing(desk: Console, browser: Browser, forged: str) -> None:
    """Not even to a sign-in that is under way in the same browser."""
    back = await browser.back(await browser.to_microsoft(await desk.link()))
    failed(await browser.go(f"{desk.url}/sign-in/callback?{forged}"))
    assert desk.provider.grants == []
    assert (await browser.go(back)).status_code == 200


async def test_a_person_who_declines_is_told_so_and_may_open_the_link_again(desk: Console, browser: Browser) -> None:
    link = await desk.link()
    desk.provider.declines = True
    shown = await browser.whole_way(link)
    failed(shown, "declined")
    assert "<b>" not in shown.text
    assert (await view(desk))["needed"]
    desk.provider.declines = False
    assert (await browser.whole_way(link)).status_code == 200


async def test_words_of_the_identity_server_are_escaped(desk: Console, browser: Browser) -> None:
    sent = await browser.to_microsoft(await desk.link())
    state = parse_qs(urlsplit(sent).query)["state"][0]
    words = {"state": state, "error": "odd", "error_description": "<script>alert(1)</script>"}
    shown = await browser.client.get(f"{desk.url}/sign-in/callback", params=words)
    failed(shown, "&lt;script&gt;")
    assert "<script>" not in shown.text


async def test_a_mailbox_that_was_changed_meanwhile_is_looked_at_again(
    desk: Console, browser: Browser, store: Store, provider: Provider
) -> None:
    """Nobody signs in for another server than the page has shown."""
    link = await desk.link()
    seen = await browser.go(link)
    mailbox = await store.mailboxes.get(NAME)
    await store.mailboxes.put(mailbox, {})
    again = await browser.press(seen)
    assert (again.status_code, "changed meanwhile" in again.text) == (200, True)
    back = await browser.back(await browser.to_microsoft(link))
    await store.mailboxes.put(mailbox.model_copy(update={"revision": 2}), {})
    failed(await browser.go(back), "changed meanwhile")
    assert provider.grants == []


async def test_an_identity_server_that_is_away_is_said(desk: Console, browser: Browser) -> None:
    shown = await browser.go(await desk.link())
    desk.provider.go_away()
    answer = await browser.press(shown)
    assert (answer.status_code, "identity server" in answer.text) == (503, True)
    desk.provider.come_back()


async def test_a_sign_in_can_be_forgotten_and_that_is_audited(desk: Console, browser: Browser, store: Store) -> None:
    assert (await desk("DELETE", f"/mailboxes/{NAME}/sign-in")).status_code == 404
    await browser.whole_way(await desk.link())
    assert (await desk("DELETE", f"/mailboxes/{NAME}/sign-in", Role.OPERATOR)).status_code == 403
    assert (await desk("DELETE", f"/mailboxes/{NAME}/sign-in")).status_code == 204
    assert (await view(desk))["needed"]
    assert await store.collection("sign_ins").find({}) == []
    assert [one[0] for one in await audit(store)] == ["sign_out", "sign_in"]


async def test_only_editors_make_links_and_only_for_mailboxes_that_people_sign_in_for(
    desk: Console, store: Store
) -> None:
    assert (await desk("POST", f"/mailboxes/{NAME}/sign-in", Role.OPERATOR)).status_code == 403
    assert (await desk("POST", "/mailboxes/nobody/sign-in")).status_code == 404
    plain = delegated_mailbox(desk.provider, name="plain", flow="application", client_secret="s")
    await store.mailboxes.put(plain, {})
    refused = await desk("POST", "/mailboxes/plain/sign-in")
    assert (refused.status_code, refused.json()["code"]) == (409, "not_delegated")


async def test_neither_link_state_cookie_code_nor_token_is_kept_in_the_clear_or_shown(
    desk: Console, browser: Browser, store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    link = await desk.link()
    sent = await browser.to_microsoft(link)
    cookie = browser.client.cookies["mail_automator_sign_in"]
    state = parse_qs(urlsplit(sent).query)["state"][0]
    underway = str(await store.collection("sign_in_requests").find({}))
    back = await browser.back(sent)
    code = parse_qs(urlsplit(back).query)["code"][0]
    shown = await browser.go(back)
    kept = underway + str([await store.collection(name).find({}) for name in ("sign_ins", "audit")])
    secrets = [link.rpartition("/")[2], state, cookie, code, *desk.provider.issued, *desk.provider.families]
    others = ("http", "uvicorn.access")  # the browser's own; and what the console's process switches off
    logged = str([one.getMessage() for one in caplog.records if not one.name.startswith(others)])
    assert [one for one in secrets if one in kept + shown.text + logged] == []
    assert re.search(r"set-cookie", str(shown.headers)) is not None
    assert "mail_automator_sign_in" not in dict(browser.client.cookies), "it has served its purpose"
