"""Whole watches of mailboxes that people sign in for: sign in again is a state, shown and measured, not a loop."""

import asyncio

import pytest
import structlog
from prometheus_client import generate_latest

from services.all_in_one.demo.dovecot import Dovecot
from services.fetcher.watch import LOOK_SECONDS, Tools
from shared.domain.mailbox_runtime import Phase
from shared.store.client import Store
from tests.contract.oauth.test_fetching_with_tokens import OTHER, arrived, end_sessions, kit_of, reaches
from tests.support.dovecot import USERS
from tests.support.fetching import NAME, Published, following, support_mailbox
from tests.support.identity import Provider
from tests.support.imap import USER, mail
from tests.support.sign_ins import delegated_mailbox, register, signed_in


@pytest.fixture
def identity(provider: Provider) -> Provider:
    register(provider)
    return provider


def needed(kit: Tools, name: str = NAME) -> float:
    """The metric."""
    line = f'mail_automator_mailbox_sign_in_needed{{mailbox="{name}"}} '
    found = [one for one in generate_latest(kit.metrics.registry).decode().splitlines() if one.startswith(line)]
    return float(found[0].removeprefix(line)) if found else -1


async def test_mail_is_fetched_on_behalf_of_a_person(mail_server: Dovecot, identity: Provider, store: Store) -> None:
    mail_server.deliver(USER, mail(1))
    published = Published()
    kit = kit_of(store, published, identity)
    mailbox = await store.mailboxes.put(delegated_mailbox(identity, mail_server), {})
    await signed_in(store, identity, mailbox)
    async with following(store, kit):
        await arrived(published, 1)
        await reaches(store, Phase.IDLE)
        assert needed(kit) == 0
    assert "method=XOAUTH2" in mail_server.log_file.read_text()


async def test_a_token_that_expires_in_the_middle_of_idle_is_renewed(
    mail_server: Dovecot, identity: Provider, store: Store
) -> None:
    """It lives for 5 minutes and 1 second, so for us a second; then the server ends the session."""
    identity.lifetime = 301
    published = Published()
    mailbox = await store.mailboxes.put(delegated_mailbox(identity, mail_server), {})
    await signed_in(store, identity, mailbox)
    async with following(store, kit_of(store, published, identity)):
        await reaches(store, Phase.IDLE)
        await asyncio.sleep(1.1)
        identity.revoke()
        end_sessions(mail_server)
        mail_server.deliver(USER, mail(1))
        await arrived(published, 1)
    assert identity.refreshes >= 1


async def test_a_revoked_access_token_is_renewed_at_once_though_it_has_not_expired(
    mail_server: Dovecot, identity: Provider, store: Store
) -> None:
    published = Published()
    mailbox = await store.mailboxes.put(delegated_mailbox(identity, mail_server), {})
    await signed_in(store, identity, mailbox)
    async with following(store, kit_of(store, published, identity)):
        await reaches(store, Phase.IDLE)
        identity.revoke()
        end_sessions(mail_server)
        mail_server.deliver(USER, mail(1))
        await arrived(published, 1)
    assert identity.refreshes == 1


async def test_a_revoked_sign_in_is_asked_about_once_shown_measured_and_healed_by_signing_in_again(
    mail_server: Dovecot, identity: Provider, store: Store
) -> None:
    published = Published()
    kit = kit_of(store, published, identity)
    mailbox = await store.mailboxes.put(delegated_mailbox(identity, mail_server), {})
    await store.mailboxes.put(support_mailbox(mail_server, "right", OTHER, USERS[OTHER]), {})
    await signed_in(store, identity, mailbox)
    async with following(store, kit):
        await reaches(store, Phase.IDLE)
        identity.end_sign_ins()
        identity.revoke()
        end_sessions(mail_server)
        said = await reaches(store, Phase.NEEDS_ATTENTION)
        assert (said.code, "password" in said.sentence) == ("sign_in_needed", True)
        assert needed(kit) == 1
        asked = list(identity.requests)
        await asyncio.sleep(3 * LOOK_SECONDS)
        assert identity.requests == asked, "nobody is asked while nobody signs in"
        assert identity.refreshes == 1
        mail_server.deliver(OTHER, mail(1))
        await arrived(published, 1, 8)
        mail_server.deliver(USER, mail(2))
        await signed_in(store, identity, mailbox)
        await arrived(published, 2, 2 * LOOK_SECONDS + 3)
        await reaches(store, Phase.IDLE)
        assert needed(kit) == 0
    assert identity.refreshes == 1


async def test_an_account_that_may_not_open_the_mailbox_is_replaced_by_signing_in_as_another(
    mail_server: Dovecot, identity: Provider, store: Store
) -> None:
    """The mail server says no to a good token: the next try would be in 15 minutes, a new sign-in is tried at once."""
    published = Published()
    mail_server.deliver(USER, mail(1))
    mailbox = await store.mailboxes.put(delegated_mailbox(identity, mail_server), {})
    await signed_in(store, identity, mailbox, "ann@desk.example")
    async with following(store, kit_of(store, published, identity)):
        said = await reaches(store, Phase.NEEDS_ATTENTION, code="token_refused")
        assert "refuses the access token" in said.sentence
        asked = identity.refreshes
        await asyncio.sleep(2 * LOOK_SECONDS)
        assert identity.refreshes == asked, "its own renewal is no new sign-in"
        await signed_in(store, identity, mailbox, USER)
        await arrived(published, 1, 2 * LOOK_SECONDS + 3)


async def test_a_changed_mailbox_needs_a_new_sign_in_and_says_why(
    mail_server: Dovecot, identity: Provider, store: Store
) -> None:
    mailbox = await store.mailboxes.put(delegated_mailbox(identity, mail_server), {})
    await signed_in(store, identity, mailbox)
    async with following(store, kit_of(store, Published(), identity)):
        await reaches(store, Phase.IDLE)
        other = delegated_mailbox(identity, mail_server, client_id="app-1", client_secret="the right secret~value")
        await store.mailboxes.put(other.model_copy(update={"revision": mailbox.revision}), {})
        said = await reaches(store, Phase.NEEDS_ATTENTION, code="sign_in_needed")
    assert "another one than when somebody signed in" in said.sentence
    assert identity.grants == ["authorization_code"]


async def test_a_provider_that_is_down_is_waited_for(mail_server: Dovecot, identity: Provider, store: Store) -> None:
    """Being away is no refusal: nobody has to sign in for that."""
    identity.lifetime = 200
    mailbox = await store.mailboxes.put(delegated_mailbox(identity, mail_server), {})
    await signed_in(store, identity, mailbox)
    identity.revoke()
    identity.go_away()
    kit = kit_of(store, Published(), identity)
    async with following(store, kit):
        await reaches(store, Phase.BACKOFF, code="oauth_provider_unavailable")
        assert needed(kit) == 0
        identity.come_back()
        await reaches(store, Phase.IDLE, seconds=60)


async def test_waiting_for_a_sign_in_is_said_once_and_not_at_each_look(
    mail_server: Dovecot, identity: Provider, store: Store
) -> None:
    await store.mailboxes.put(delegated_mailbox(identity, mail_server), {})
    with structlog.testing.capture_logs() as logs:
        async with following(store, kit_of(store, Published(), identity)):
            await reaches(store, Phase.NEEDS_ATTENTION, code="sign_in_needed")
            await asyncio.sleep(2 * LOOK_SECONDS)
    assert [one["code"] for one in logs if one["event"] == "mailbox_trouble"] == ["sign_in_needed"]
