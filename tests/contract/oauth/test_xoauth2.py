"""SASL XOAUTH2 on the wire, against a Dovecot that asks our identity provider about each token."""

import base64
import logging
import time
from pathlib import Path

import pytest
from pydantic import SecretStr

from services.all_in_one.demo.dovecot import Dovecot
from services.fetcher.errors import AuthenticationRejected, ServerTrouble
from services.fetcher.imap.session import Opener, Patience, Session
from shared.domain.mailbox import Encryption
from shared.sasl.values import Kind
from tests.support.canary import secret
from tests.support.dovecot import USERS, ShortLived
from tests.support.identity import Issued, Provider, token_check
from tests.support.imap import USER, imap_of

GOOD = "a-good-token"
opener = Opener(Patience(connect=10, command=10))


@pytest.fixture(autouse=True)
def token(provider: Provider) -> None:
    provider.issued[GOOD] = Issued("app-1", time.time() + 3600)


async def enter(server: Dovecot, token: str, encryption: Encryption = Encryption.IMPLICIT_TLS) -> Session:
    return await opener(imap_of(server, encryption), USER, SecretStr(token), kind=Kind.TOKEN)


@pytest.mark.parametrize("encryption", list(Encryption))
async def test_a_good_token_opens_the_folder(mail_server: Dovecot, encryption: Encryption) -> None:
    session = await enter(mail_server, GOOD, encryption)
    assert (await session.select("INBOX")).exists == 0
    await session.close()


@pytest.mark.row(81)
async def test_a_bad_token_is_refused_at_once_with_the_challenge_read(mail_server: Dovecot) -> None:
    started = time.monotonic()
    with pytest.raises(AuthenticationRejected) as caught:
        await enter(mail_server, "another-token")
    assert time.monotonic() - started < 8
    assert (caught.value.code, "status 401" in caught.value.what) == ("token_refused", True)


async def test_a_server_without_an_initial_response_is_asked_in_two_steps(provider: Provider, tmp_path: Path) -> None:
    """No SASL-IR (RFC 4959): the token goes out when the server asks, and a refusal is answered as well."""
    with token_check(provider) as extra:
        server = ShortLived(tmp_path / "plain", USERS, extra=f"{extra}imap_capability = IMAP4rev1 IDLE UIDPLUS\n")
        async with server:
            session = await enter(server, GOOD)
            assert (await session.select("INBOX")).exists == 0
            await session.close()
            with pytest.raises(AuthenticationRejected) as caught:
                await enter(server, "another-token")
    assert "status 401" in caught.value.what


async def test_a_server_that_cannot_check_tokens_now_is_no_rejection(mail_server: Dovecot, provider: Provider) -> None:
    provider.stop()
    with pytest.raises(ServerTrouble) as caught:
        await enter(mail_server, GOOD)
    assert caught.value.code == "login_unavailable"


async def test_no_token_is_in_an_error_or_a_log(mail_server: Dovecot, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    canary = secret("token-0123456789")
    with pytest.raises(AuthenticationRejected) as caught:
        await enter(mail_server, canary)
    packed = base64.b64encode(f"user={USER}\x01auth=Bearer {canary}\x01\x01".encode()).decode()
    said = f"{caught.value.line()} {caught.value!r} {caplog.text}"
    assert canary not in said
    assert packed not in said
