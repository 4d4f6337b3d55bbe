"""The token door: msal itself against an identity provider of ours, over TLS."""

import asyncio
import logging
from datetime import UTC, datetime
from pathlib import Path

import pytest
from pydantic import SecretStr

from shared.domain.errors import AutomatorError, ConfigurationError
from shared.oauth.authorities import Authorities
from shared.oauth.errors import AuthorityRefused, ProviderUnavailable, ProviderUntrusted, SignInRefused
from shared.oauth.tokens import MicrosoftTokens
from shared.oauth.values import Application, Token
from tests.contract.oauth.conftest import SECRET
from tests.support.canary import secret as canary
from tests.support.embedded_store import FakeClock
from tests.support.identity import TENANT, Client, Provider

WRONG = canary("wrong")


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(datetime(2026, 3, 1, 12, 0, tzinfo=UTC))


@pytest.fixture
def tokens(provider: Provider, clock: FakeClock) -> MicrosoftTokens:
    return MicrosoftTokens(provider.authorities, clock, timeout=3)


def application(
    provider: Provider,
    client: str = "app-1",
    secret: str = SECRET,
    tenant: str = TENANT,
    authority: str | None = None,
) -> Application:
    return Application(tenant, client, SecretStr(secret), authority or provider.authority)


async def given(tokens: MicrosoftTokens, app: Application) -> Token:
    return await tokens.application_token("support", app)


async def refused(tokens: MicrosoftTokens, app: Application) -> AutomatorError:
    with pytest.raises(AutomatorError) as caught:
        await given(tokens, app)
    assert SECRET not in f"{caught.value.line()} {caught.value!r}"
    return caught.value


async def test_a_token_is_kept_until_five_minutes_before_it_expires(
    provider: Provider, tokens: MicrosoftTokens, clock: FakeClock
) -> None:
    first = await given(tokens, application(provider))
    clock.advance(minutes=54)
    second = await given(tokens, application(provider))
    clock.advance(minutes=2)
    third = await given(tokens, application(provider))
    assert first.fresh and not second.fresh and third.fresh
    assert first.secret == second.secret != third.secret
    assert first.expires_at == datetime(2026, 3, 1, 13, 0, tzinfo=UTC)
    assert first.roles == {"IMAP.AccessAsApp"}
    assert first.secret.get_secret_value() not in repr(first)


async def test_many_who_ask_at_once_cause_one_request(provider: Provider, tokens: MicrosoftTokens) -> None:
    provider.delay = 0.3
    found = await asyncio.gather(*(given(tokens, application(provider)) for _ in range(10)))
    assert len(provider.requests) == 1
    assert len({one.secret.get_secret_value() for one in found}) == 1


async def test_a_slow_provider_does_not_hold_up_the_event_loop(provider: Provider, tokens: MicrosoftTokens) -> None:
    provider.delay = 1
    asking = asyncio.create_task(given(tokens, application(provider)))
    turns = 0
    while not asking.done():
        await asyncio.sleep(0.01)
        turns += 1
    assert (await asking).fresh
    assert turns > 10, "the loop stood still while the provider thought"


async def test_changed_credentials_never_get_the_old_token(provider: Provider, tokens: MicrosoftTokens) -> None:
    await given(tokens, application(provider))
    assert (await refused(tokens, application(provider, secret="another"))).code == "oauth_secret_wrong"
    assert not (await given(tokens, application(provider))).fresh


async def test_a_forgotten_token_is_fetched_anew(provider: Provider, tokens: MicrosoftTokens) -> None:
    await given(tokens, application(provider))
    tokens.forget("support")
    assert (await given(tokens, application(provider))).fresh


async def test_an_opaque_token_is_as_good(provider: Provider, tokens: MicrosoftTokens) -> None:
    provider.jwt = False
    assert (await given(tokens, application(provider))).roles is None


async def test_a_wrong_secret_says_so_and_shows_it_nowhere(
    provider: Provider, tokens: MicrosoftTokens, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    error = await refused(tokens, application(provider, secret=WRONG))
    assert isinstance(error, SignInRefused)
    assert (error.code, "value" in error.remedy) == ("oauth_secret_wrong", True)
    said = capfd.readouterr()
    assert WRONG not in f"{error.line()} {error!r} {error.__cause__!r} {caplog.text} {said.out} {said.err}"


async def test_a_secret_id_in_place_of_its_value_is_recognised(provider: Provider, tokens: MicrosoftTokens) -> None:
    error = await refused(tokens, application(provider, secret="0f0f0f0f-1111-2222-3333-444444444444"))
    assert error.code == "oauth_secret_id_given"


@pytest.mark.row(81)
async def test_an_expired_secret_says_so(provider: Provider, tokens: MicrosoftTokens) -> None:
    provider.clients["app-1"].expired = True
    error = await refused(tokens, application(provider))
    assert (error.code, "7000222" in error.what) == ("oauth_secret_expired", True)


async def test_an_unknown_client_says_so(provider: Provider, tokens: MicrosoftTokens) -> None:
    assert (await refused(tokens, application(provider, client="nobody"))).code == "oauth_client_unknown"


@pytest.mark.row(81)
async def test_an_unknown_tenant_says_so(provider: Provider, tokens: MicrosoftTokens) -> None:
    error = await refused(tokens, application(provider, tenant="other.example"))
    assert (error.code, "90002" in error.what) == ("oauth_tenant_unknown", True)


async def test_missing_consent_says_so(provider: Provider, tokens: MicrosoftTokens) -> None:
    provider.clients["app-1"].consented = False
    error = await refused(tokens, application(provider))
    assert (error.code, "admin consent" in error.remedy) == ("oauth_consent_missing", True)


@pytest.mark.row(81)
async def test_a_provider_that_is_away_is_transient_and_the_old_token_serves_while_it_is_good(
    provider: Provider, tokens: MicrosoftTokens, clock: FakeClock
) -> None:
    first = await given(tokens, application(provider))
    provider.go_away()
    clock.advance(minutes=57)
    assert (await given(tokens, application(provider))).secret == first.secret
    clock.advance(minutes=4)
    assert isinstance(await refused(tokens, application(provider)), ProviderUnavailable)
    provider.come_back()
    assert (await given(tokens, application(provider))).fresh


async def test_a_busy_provider_says_how_long_to_wait(provider: Provider, tokens: MicrosoftTokens) -> None:
    provider.busy, provider.retry_after = 429, "17"
    error = await refused(tokens, application(provider))
    assert isinstance(error, ProviderUnavailable)
    assert error.seconds == 17


@pytest.mark.row(81)
async def test_a_silent_provider_is_given_up(provider: Provider) -> None:
    provider.delay = 5
    error = await refused(
        MicrosoftTokens(provider.authorities, FakeClock(datetime.now(UTC)), 0.5), application(provider)
    )
    assert isinstance(error, ProviderUnavailable)


@pytest.mark.row(81)
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_token_endpoint_that_leads_to_another_host_is_not_followed(
    provider: Provider, tokens: MicrosoftTokens, status: int
) -> None:
    """Neither with the secret nor without it."""
    reached: list[bytes] = []

    async def note(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        reached.append(await reader.read(4096))
        writer.close()

    async with await asyncio.start_server(note, "127.0.0.1", 0) as other:
        port = other.sockets[0].getsockname()[1]
        provider.busy, provider.leads_to = status, f"http://127.0.0.1:{port}/{TENANT}/oauth2/v2.0/token"
        async with asyncio.timeout(10):
            error = await refused(tokens, application(provider))
    assert isinstance(error, ProviderUnavailable)
    assert (str(status) in error.what, reached, len(provider.requests)) == (True, [], 1)


FOREIGN = [
    "https://login.evil.example",
    "https://login.microsoftonline.com.evil.example",
    "https://login.microsoftonline.com@evil.example",
    "http://login.microsoftonline.com",
    "https://login.microsoftonline.com:8443",
    "https://[",
    "https://login.microsoftonline.com/oauth2/token",
]


@pytest.mark.parametrize("authority", FOREIGN)
async def test_a_foreign_authority_gets_no_secret(tokens: MicrosoftTokens, provider: Provider, authority: str) -> None:
    error = await refused(tokens, application(provider, authority=authority))
    assert isinstance(error, AuthorityRefused)


async def test_the_provider_is_foreign_unless_a_setting_names_it(provider: Provider, clock: FakeClock) -> None:
    error = await refused(MicrosoftTokens(Authorities(), clock), application(provider))
    assert isinstance(error, AuthorityRefused)
    assert provider.requests == []


@pytest.mark.row(81)
async def test_a_provider_with_an_endpoint_elsewhere_gets_no_secret(
    provider: Provider, clock: FakeClock, tmp_path: Path
) -> None:
    other = Provider(tmp_path / "other", {"app-1": Client(SECRET, "")})
    other.start()
    try:
        provider.discovery = other.discovery  # type: ignore[method-assign]
        error = await refused(MicrosoftTokens(provider.authorities, clock), application(provider))
    finally:
        other.stop()
    assert isinstance(error, AuthorityRefused)
    assert other.requests == []


async def test_a_certificate_of_an_unknown_authority_is_refused(provider: Provider, clock: FakeClock) -> None:
    error = await refused(MicrosoftTokens(Authorities([provider.authority]), clock), application(provider))
    assert isinstance(error, ProviderUntrusted)
    assert "CA_FILE" in error.remedy
    assert provider.requests == []


@pytest.mark.parametrize("tenant", ["common", "a/b", "..", "x?y", "organizations"])
async def test_a_tenant_must_name_one_tenant(provider: Provider, tokens: MicrosoftTokens, tenant: str) -> None:
    error = await refused(tokens, application(provider, tenant=tenant))
    assert isinstance(error, ConfigurationError)
