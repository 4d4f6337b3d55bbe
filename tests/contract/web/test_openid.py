"""Signing in at an OpenID provider: the whole way through our own provider over TLS, and what is refused."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
import pytest_asyncio
from pydantic import SecretStr

from services.console.api.surroundings import OpenId
from services.console.settings import OidcSettings
from shared.domain.access import Role
from shared.domain.people import Origin
from shared.oauth.openid import OpenIdClient, OpenIdProvider
from shared.store.client import Store
from tests.support.canary import secret
from tests.support.console import Console, Person, running_console, there
from tests.support.embedded_store import FakeClock
from tests.support.identity import TENANT, Client, Provider
from tests.support.sign_ins import trust

SECRET = secret("of the console")
ROLES = OidcSettings(roles={Role.ADMINISTRATOR: ("it",), Role.VIEWER: ("staff", "guests")})


@pytest.fixture
def provider(tmp_path: Path) -> Iterator[Provider]:
    made = Provider(tmp_path / "identity", {"console": Client(SECRET, "")}, person="ada@desk.example", groups=["staff"])
    made.start()
    yield made
    made.stop()


@pytest_asyncio.fixture
async def console(store: Store, clock: FakeClock, provider: Provider) -> AsyncIterator[Console]:
    issuer, ca_file = f"{provider.authority}/{TENANT}/v2.0", provider.certificates.ca_file
    ours = OpenIdClient(issuer, "console", SecretStr(SECRET), "openid profile email", ca_file)
    async with running_console(store, clock, openid=OpenId(OpenIdProvider(ours), "Desk ID", ROLES.role_of)) as running:
        provider.clients["console"].redirects = (f"{running.url}/openid/callback",)
        await running.people()
        yield running


async def at_provider(person: Person, provider: Provider) -> str:
    """To the provider and signed in there: where the browser is sent back to."""
    sent = await person.get("/openid/start", params={"next": "/account"})
    assert sent.status_code == 303, sent.text
    async with httpx.AsyncClient(verify=trust(provider)) as browser:
        answer = await browser.get(sent.headers["location"])
    assert answer.status_code == 302, answer.text
    return answer.headers["location"]


async def test_a_person_signs_in_there_and_has_the_role_of_the_groups(console: Console, provider: Provider) -> None:
    async with console.person() as person:
        assert "Sign in with Desk ID" in (await person.get("/sign-in")).text
        assert there(await person.get(await at_provider(person, provider))) == "/account"
        shown = await person.get("/account")
        assert "ada@desk.example" in shown.text and "Viewer" in shown.text
        assert "Present password" not in shown.text, "there is none here"
        assert (await person.get("/users")).status_code == 403
    (user,) = [one for one in await console.store.users.all() if one.origin is Origin.OPENID]
    assert (user.name, user.role, user.has_password) == ("ada@desk.example", Role.VIEWER, False)


async def test_the_role_follows_the_groups_at_the_next_sign_in(console: Console, provider: Provider) -> None:
    async with console.person() as person:
        await person.get(await at_provider(person, provider))
        provider.groups = ["staff", "it"]
        await person.get(await at_provider(person, provider))
        assert (await person.get("/users")).status_code == 200
    assert len([one for one in await console.store.users.all() if one.origin is Origin.OPENID]) == 1


@pytest.mark.parametrize("groups", [[], ["strangers"]])
async def test_who_is_in_no_group_of_ours_is_not_let_in(
    console: Console, provider: Provider, groups: list[str]
) -> None:
    provider.groups = groups
    async with console.person() as person:
        answer = await person.get(await at_provider(person, provider))
        assert (answer.status_code, "may not use this console" in answer.text) == (403, True)
        assert (await person.get("/account")).status_code == 303
    assert [one for one in await console.store.users.all() if one.origin is Origin.OPENID] == []


async def test_a_disabled_user_is_not_let_in(console: Console, provider: Provider) -> None:
    async with console.person() as person:
        await person.get(await at_provider(person, provider))
        (user,) = [one for one in await console.store.users.all() if one.origin is Origin.OPENID]
        await console.store.users.set_disabled(user.key, True)
        assert (await person.get("/account")).status_code == 303, "the session opens nothing any more"
        assert (await person.get(await at_provider(person, provider))).status_code == 403


async def test_it_uses_pkce_state_and_nonce(console: Console, provider: Provider) -> None:
    async with console.person() as person:
        sent = await person.get("/openid/start")
    asked = {name: values[0] for name, values in parse_qs(urlsplit(sent.headers["location"]).query).items()}
    assert (asked["response_type"], asked["code_challenge_method"]) == ("code", "S256")
    assert all(len(asked[name]) >= 43 for name in ("state", "nonce", "code_challenge"))
    assert asked["redirect_uri"] == f"{console.url}/openid/callback"


async def test_another_browser_cannot_finish_it(console: Console, provider: Provider) -> None:
    async with console.person() as person, console.person() as other:
        back = await at_provider(person, provider)
        assert (await other.get(back)).status_code == 422
        assert (await person.get(back)).status_code == 303
        assert (await person.get(back)).status_code == 422, "and it serves once"
    assert provider.grants == ["authorization_code"]


@pytest.mark.parametrize(
    "change",
    [
        {"nonce": "another"},
        {"aud": "another-client"},
        {"iss": "https://evil.example"},
        {"exp": 1},
    ],
)
async def test_an_id_token_that_is_not_for_this_sign_in_is_refused(
    console: Console, provider: Provider, change: dict[str, object]
) -> None:
    provider.claims_change = change
    async with console.person() as person:
        answer = await person.get(await at_provider(person, provider))
        assert (answer.status_code, "did not sign you in" in answer.text) == (422, True)
    assert [one.outcome for one in await console.store.audit.page(kind="Console")] == ["failed"]


async def test_an_id_token_signed_by_somebody_else_is_refused(
    console: Console, provider: Provider, tmp_path: Path
) -> None:
    async with console.person() as person:
        await person.get(await at_provider(person, provider))
        provider.id_token = Provider(tmp_path / "forger").id_token  # type: ignore[method-assign]  # its key is another
        assert (await person.get(await at_provider(person, provider))).status_code == 422


async def test_a_provider_that_is_away_is_said_so(console: Console, provider: Provider) -> None:
    provider.go_away()
    async with console.person() as person:
        answer = await person.get("/openid/start")
    assert (answer.status_code, "did not answer" in answer.text) == (503, True)


async def test_without_a_provider_there_is_no_button_and_no_way(store: Store, clock: FakeClock) -> None:
    async with running_console(store, clock) as plain, plain.person() as person:
        assert "Sign in with" not in (await person.get("/sign-in")).text
        assert (await person.get("/openid/start")).status_code == 404


@pytest.mark.parametrize(
    ("claims", "role"),
    [
        ({"groups": ["staff", "it"]}, Role.ADMINISTRATOR),
        ({"groups": "guests"}, Role.VIEWER),
        ({"groups": {"it": True}}, None),
        ({}, None),
    ],
)
def test_the_highest_role_of_the_groups_counts(claims: dict[str, object], role: Role | None) -> None:
    assert ROLES.role_of(claims) is role
