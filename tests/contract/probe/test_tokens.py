"""The test of a mailbox that signs in with a token: msal, our identity provider, and servers that check it."""

import time

import pytest

from services.console.probe.credentials import MailboxCredentials
from services.console.probe.microsoft import MicrosoftAccess
from services.console.probe.steps import Chain
from shared.domain.mailbox import Mailbox
from shared.oauth.delegated import DelegatedTokens
from shared.oauth.errors import SignInNeeded
from shared.oauth.tokens import MicrosoftTokens
from shared.runtime.clock import Clock
from shared.store.secrets import referred
from tests.contract.oauth.conftest import SECRET, mail_server, provider
from tests.contract.probe.conftest import imap_at
from tests.support.bad_certificates import make
from tests.support.canary import secret
from tests.support.identity import TENANT, Issued
from tests.support.sign_ins import delegated_mailbox, register, signed_in
from tests.support.smtp import TokenSink, server_context, smtp_server

__all__ = ["mail_server", "provider"]
USER = "support@desk.example"


def mailbox_of(server, provider, smtp=None, client_secret=SECRET, **auth):
    auth = {
        "type": "oauth2_microsoft",
        "client_id": "app-1",
        "tenant_id": TENANT,
        "client_secret": client_secret,
        **auth,
    }
    spec = {"module": "ticket", "email": USER, "imap": imap_at(server), "smtp": smtp}
    spec |= {"auth": {"authority": provider.authority, **auth}, "acknowledgements": {"enabled": False}}
    return Mailbox.model_validate({"name": "support", "spec": spec})


async def reveal(mailbox, field):
    return await referred(mailbox, field, {})


@pytest.fixture
def credentials(provider):
    tokens = MicrosoftTokens(provider.authorities, Clock(), timeout=3)
    yield MailboxCredentials(reveal, MicrosoftAccess(tokens, reveal))
    tokens.close()


async def test_the_token_is_a_step_of_its_own_before_sign_in(mail_server, provider, credentials, check):
    results = await check(mailbox_of(mail_server, provider), credentials=credentials)
    assert results.names("imap")[-3:] == ("token", "authenticate", "folder")


async def test_a_wrong_secret_a_wrong_tenant_and_an_expired_secret_fail_at_the_token(
    mail_server,
    provider,
    credentials,
    check,
):
    wrong = await check(mailbox_of(mail_server, provider, client_secret=secret("wrong")), credentials=credentials)
    tenant = await check(mailbox_of(mail_server, provider, tenant_id="no-such-tenant.example"), credentials=credentials)
    provider.clients["app-1"].expired = True
    expired = await check(mailbox_of(mail_server, provider), credentials=credentials)
    assert [one.failed().name for one in (wrong, tenant, expired)] == ["token"] * 3
    assert expired.failed().code == "IMAP_OAUTH_SECRET_EXPIRED"
    assert len({one.failed().code for one in (wrong, tenant, expired)}) == 3
    assert secret("wrong") not in str(list(wrong))


async def test_a_token_that_the_mailbox_refuses_is_no_wrong_password(mail_server, provider, check):
    class Other:
        async def token_for(self, mailbox):
            return secret("token-2")

    results = await check(mailbox_of(mail_server, provider), credentials=MailboxCredentials(reveal, Other()))
    assert results.why() == ("authenticate", "IMAP_TOKEN_REFUSED")
    assert "permission" in results.failed().remedy
    assert secret("token-2") not in str(list(results))


async def test_a_token_of_a_person_never_goes_to_another_smtp_server(provider, store):
    """Every server that gets its tokens is part of what a sign-in is bound to."""
    smtp = {"host": "smtp.desk.example", "port": 465}
    register(provider)
    kept = with_smtp(delegated_mailbox(provider), smtp)
    await store.mailboxes.put(kept, {})
    await signed_in(store, provider, kept)
    tokens = MicrosoftTokens(provider.authorities, Clock(), timeout=3)
    people = DelegatedTokens(provider.authorities, Clock(), store.sign_ins, 3)
    credentials = MailboxCredentials(reveal, MicrosoftAccess(tokens, reveal, people))
    assert await credentials.token(kept, Chain.SMTP) in provider.issued
    with pytest.raises(SignInNeeded):
        await credentials.token(with_smtp(kept, {**smtp, "host": "smtp.evil.example"}), Chain.SMTP)
    with pytest.raises(SignInNeeded):
        await credentials.token(delegated_mailbox(provider, user="requests@desk.example"), Chain.IMAP)
    await people.close()
    tokens.close()


def with_smtp(mailbox, smtp):
    return Mailbox.model_validate({**mailbox.model_dump(), "spec": {**mailbox.spec.model_dump(), "smtp": smtp}})


@pytest.mark.parametrize(("token", "code"), [("good", ""), (secret("token-3"), "SMTP_TOKEN_REFUSED")])
async def test_smtp_takes_the_token_too_and_its_challenge_is_answered(
    mail_server,
    provider,
    tmp_path,
    check,
    token,
    code,
):
    class Given:
        async def token_for(self, mailbox):
            return token

    provider.issued[token] = Issued("app-1", time.time() + 3600)
    files = make(tmp_path / "smtp")
    context, sink = server_context(files.certificate, files.key), TokenSink(USER, "good")
    async with smtp_server(context, USER, "x", implicit=True, handler=sink) as port:
        smtp = {"host": "localhost", "port": port, "ca_file": str(files.ca_file)}
        results = await check(mailbox_of(mail_server, provider, smtp), credentials=MailboxCredentials(reveal, Given()))
    assert results.names("imap")[-1] == "folder"
    if code:
        assert results.why("smtp") == ("authenticate", code)
        assert secret("token-3") not in str(list(results))
    else:
        assert results.names("smtp")[-1] == "authenticate"
