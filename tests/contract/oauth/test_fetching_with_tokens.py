"""Whole watches of mailboxes that sign in with a token: msal, our identity provider, and a Dovecot that asks it."""

import asyncio
import os
import signal
import subprocess

import pytest
from prometheus_client import generate_latest

from services.all_in_one.demo.dovecot import Dovecot
from services.fetcher.watch import Tools
from shared.domain.errors import ConfigurationError
from shared.domain.mailbox import Mailbox, split_secrets
from shared.domain.mailbox_runtime import MailboxStatus, Phase
from shared.oauth.authorities import Authorities
from shared.store.client import Store
from tests.contract.oauth.conftest import SECRET
from tests.support.canary import secret as canary
from tests.support.dovecot import USERS
from tests.support.fetching import NAME, Published, eventually, following, support_mailbox, tools
from tests.support.identity import TENANT, Provider
from tests.support.imap import USER, imap_of, mail

WRONG = canary("wrong")

OTHER = "requests@desk.example"


def token_mailbox(
    server: Dovecot, provider: Provider, name: str = NAME, user: str = USER, secret: str = SECRET, **auth: object
) -> Mailbox:
    """A mailbox that signs in as application app-1; `auth` replaces fields."""
    file = server.folder / f"{name}.secret"
    file.write_text(secret)
    fields = {
        "type": "oauth2_microsoft",
        "client_id": "app-1",
        "tenant_id": TENANT,
        "authority": provider.authority,
        "client_secret_from": {"file": str(file)},
        **auth,
    }
    document = {
        "name": name,
        "spec": {
            "module": "ticket",
            "email": user,
            "imap": imap_of(server, start_from="all").model_dump(mode="json"),
            "auth": fields,
            "acknowledgements": {"enabled": False},
        },
    }
    return Mailbox.model_validate(document)


def kit_of(store: Store, published: Published, provider: Provider) -> Tools:
    return tools(store, published, authorities=provider.authorities)


async def status(store: Store, name: str = NAME) -> MailboxStatus | None:
    return (await store.runtime.statuses()).get(name)


async def reaches(store: Store, wanted: Phase, name: str = NAME, code: str = "", seconds: float = 20) -> MailboxStatus:
    """The status once the mailbox is in this phase (with this code)."""
    found: list[MailboxStatus] = []

    async def there() -> bool:
        now = await status(store, name)
        if now is not None and now.state is wanted and code in ("", now.code):
            found.append(now)
        return bool(found)

    await eventually(there, seconds)
    return found[0]


async def arrived(published: Published, count: int, seconds: float = 20) -> None:
    async def there() -> bool:
        return len(published.messages) >= count

    await eventually(there, seconds)


def sessions_of(server: Dovecot) -> list[int]:
    """Process ids of the IMAP sessions of this Dovecot."""
    listed = subprocess.run(
        ["ps", "-e", "-o", "pid=,ppid=,comm="], capture_output=True, text=True, check=True, timeout=10
    ).stdout
    rows = [line.split(None, 2) for line in listed.splitlines()]
    return [int(pid) for pid, parent, name in rows if int(parent) == server.pid and name == "imap"]


async def test_mail_is_fetched_with_a_token_and_its_expiry_is_measured(
    mail_server: Dovecot, provider: Provider, store: Store
) -> None:
    mail_server.deliver(USER, mail(1))
    published = Published()
    kit = kit_of(store, published, provider)
    await store.mailboxes.put(token_mailbox(mail_server, provider), {})
    async with following(store, kit):
        await arrived(published, 1)
        await reaches(store, Phase.IDLE)
        text = generate_latest(kit.metrics.registry).decode()
    assert [one.raw for one in published.messages] == [mail(1)]
    assert "method=XOAUTH2" in mail_server.log_file.read_text()
    line = next(
        line for line in text.splitlines() if line.startswith("mail_automator_oauth_token_expiry_timestamp_seconds{")
    )
    assert 'mailbox="support"' in line
    assert abs(float(line.split()[-1]) - kit.clock.now().timestamp() - 3600) < 60


async def test_a_client_secret_in_the_store_works_and_is_not_sent_for_another_client(
    mail_server: Dovecot, provider: Provider, store: Store
) -> None:
    inline = token_mailbox(mail_server, provider, client_secret=SECRET, client_secret_from=None)
    spec, secrets = split_secrets(inline.spec)
    sealed = inline.model_copy(update={"spec": spec})
    await store.mailboxes.put(sealed, secrets)
    async with following(store, kit_of(store, Published(), provider)):
        await reaches(store, Phase.IDLE)
    other = spec.model_copy(update={"auth": spec.auth.model_copy(update={"client_id": "app-2"})})
    with pytest.raises(ConfigurationError):
        await store.secrets.reveal(sealed.model_copy(update={"spec": other}), "auth.client_secret")


async def test_an_opaque_token_works_as_well(mail_server: Dovecot, provider: Provider, store: Store) -> None:
    provider.jwt = False
    await store.mailboxes.put(token_mailbox(mail_server, provider), {})
    async with following(store, kit_of(store, Published(), provider)):
        await reaches(store, Phase.IDLE)


async def test_a_shared_mailbox_is_opened_by_its_own_address(
    mail_server: Dovecot, provider: Provider, store: Store
) -> None:
    """The application's token opens what it was granted; the user on the wire is the mailbox."""
    provider.clients["app-1"].mailbox = OTHER
    mail_server.deliver(OTHER, mail(1))
    published = Published()
    await store.mailboxes.put(token_mailbox(mail_server, provider, "shared", OTHER), {})
    async with following(store, kit_of(store, published, provider)):
        await arrived(published, 1)
    assert f"user=<{OTHER}>" in mail_server.log_file.read_text()


async def test_a_wrong_secret_stops_no_other_mailbox_and_the_right_one_mends_it(
    mail_server: Dovecot, provider: Provider, store: Store
) -> None:
    published = Published()
    mail_server.deliver(OTHER, mail(1))
    await store.mailboxes.put(token_mailbox(mail_server, provider, "wrong", secret=WRONG), {})
    await store.mailboxes.put(support_mailbox(mail_server, "right", OTHER, USERS[OTHER]), {})
    async with following(store, kit_of(store, published, provider)):
        said = await reaches(store, Phase.NEEDS_ATTENTION, "wrong")
        await reaches(store, Phase.IDLE, "right")
        await arrived(published, 1)
        assert said.code == "oauth_secret_wrong"
        assert WRONG not in said.sentence
        mended = await store.mailboxes.get("wrong")
        assert mended is not None
        token_mailbox(mail_server, provider, "wrong")
        await store.mailboxes.put(mended, {})
        await reaches(store, Phase.IDLE, "wrong")


async def test_a_mailbox_that_the_application_may_not_open_is_told_apart(
    mail_server: Dovecot, provider: Provider, store: Store
) -> None:
    """The token is good, and the mail server says no: a challenge with 401, answered and read at once."""
    provider.clients["app-1"].mailbox = OTHER
    await store.mailboxes.put(token_mailbox(mail_server, provider), {})
    async with following(store, kit_of(store, Published(), provider)):
        said = await reaches(store, Phase.NEEDS_ATTENTION, seconds=9)
    assert said.code == "token_refused"
    assert "FullAccess" in said.sentence and "ImapEnabled" in said.sentence


async def test_a_token_without_the_permission_is_told_apart(
    mail_server: Dovecot, provider: Provider, store: Store
) -> None:
    provider.roles = ()
    provider.clients["app-1"].mailbox = OTHER
    await store.mailboxes.put(token_mailbox(mail_server, provider), {})
    async with following(store, kit_of(store, Published(), provider)):
        said = await reaches(store, Phase.NEEDS_ATTENTION)
    assert said.code == "oauth_consent_missing"
    assert "IMAP.AccessAsApp" in said.sentence


async def test_a_token_that_expires_in_the_middle_of_idle_is_replaced(
    mail_server: Dovecot, provider: Provider, store: Store
) -> None:
    """The token lives for 5 minutes and 1 second, so for us a second; then the server ends the session."""
    provider.lifetime = 301
    published = Published()
    await store.mailboxes.put(token_mailbox(mail_server, provider), {})
    async with following(store, kit_of(store, published, provider)):
        await reaches(store, Phase.IDLE)
        await asyncio.sleep(1.1)
        provider.revoke()
        end_sessions(mail_server)
        mail_server.deliver(USER, mail(1))
        await arrived(published, 1)
    assert provider.tokens_given == 2


async def test_a_revoked_token_is_replaced_at_once_though_it_has_not_expired(
    mail_server: Dovecot, provider: Provider, store: Store
) -> None:
    published = Published()
    await store.mailboxes.put(token_mailbox(mail_server, provider), {})
    async with following(store, kit_of(store, published, provider)):
        await reaches(store, Phase.IDLE)
        provider.revoke()
        end_sessions(mail_server)
        mail_server.deliver(USER, mail(1))
        await arrived(published, 1)
    assert provider.tokens_given == 2


@pytest.mark.row(81)
async def test_a_secret_that_is_revoked_while_we_idle_needs_attention(
    mail_server: Dovecot, provider: Provider, store: Store
) -> None:
    await store.mailboxes.put(token_mailbox(mail_server, provider), {})
    async with following(store, kit_of(store, Published(), provider)):
        await reaches(store, Phase.IDLE)
        provider.clients["app-1"].expired = True
        provider.revoke()
        end_sessions(mail_server)
        said = await reaches(store, Phase.NEEDS_ATTENTION)
    assert said.code == "oauth_secret_expired"


async def test_a_provider_that_is_down_for_a_while_is_waited_for_and_others_go_on(
    mail_server: Dovecot, provider: Provider, store: Store
) -> None:
    published = Published()
    provider.go_away()
    await store.mailboxes.put(token_mailbox(mail_server, provider), {})
    await store.mailboxes.put(support_mailbox(mail_server, "right", OTHER, USERS[OTHER]), {})
    async with following(store, kit_of(store, published, provider)):
        said = await reaches(store, Phase.BACKOFF, code="oauth_provider_unavailable")
        await reaches(store, Phase.IDLE, "right")
        mail_server.deliver(OTHER, mail(1))
        await arrived(published, 1, 5)
        assert "identity server" in said.sentence
        provider.come_back()
        await reaches(store, Phase.IDLE, seconds=60)


async def test_a_foreign_authority_is_refused_before_anything_is_sent(
    mail_server: Dovecot, provider: Provider, store: Store
) -> None:
    await store.mailboxes.put(token_mailbox(mail_server, provider), {})
    async with following(store, tools(store, Published(), authorities=Authorities())):
        said = await reaches(store, Phase.NEEDS_ATTENTION)
    assert said.code == "oauth_authority_refused"
    assert provider.requests == []


async def test_a_server_without_xoauth2_is_named_as_such(dovecot: Dovecot, provider: Provider, store: Store) -> None:
    await store.mailboxes.put(token_mailbox(dovecot, provider), {})
    async with following(store, kit_of(store, Published(), provider)):
        said = await reaches(store, Phase.NEEDS_ATTENTION)
    assert said.code == "no_common_mechanism"


def end_sessions(server: Dovecot) -> None:
    """The server ends every session."""
    pids = sessions_of(server)
    assert pids
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
