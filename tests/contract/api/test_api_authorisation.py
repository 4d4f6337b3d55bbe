"""Every route of the table, with every role and without any."""

import pytest

from services.console.api.routes import ROUTES, Route
from shared.domain.access import Role

FILLED = {"{name}": "nobody", "{ticket}": "INC-1", "{mail_id}": "m1", "{part}": "2"}


def path(route: Route) -> str:
    found = route.path
    for name, value in FILLED.items():
        found = found.replace(name, value)
    return found


def named(route: Route) -> str:
    return f"{route.method} {route.path}"


@pytest.mark.parametrize("route", ROUTES, ids=named)
async def test_each_role_may_use_exactly_the_routes_of_its_rank(api, route: Route) -> None:
    for role in Role:
        answer = await api(route.method, path(route), role, json={} if route.body else None)
        if role.covers(route.role):
            assert answer.status_code not in (401, 403, 500), (role, answer.text)
        else:
            assert answer.status_code == 403, (role, answer.text)
            assert answer.json()["code"] == "forbidden"


@pytest.mark.parametrize("route", ROUTES, ids=named)
async def test_no_route_answers_without_a_valid_token(api, route: Route) -> None:
    made, secret = await api.store.api_tokens.create("gone", Role.ADMINISTRATOR, created_by="a test")
    assert await api.store.api_tokens.revoke(made.token_id)
    text = api.tokens[Role.VIEWER]
    wrong = [text[:-1] + ("A" if text[-1] != "A" else "B"), secret.get_secret_value(), "nonsense", '{"$ne": 1}']
    for given in (None, *wrong):
        headers = {} if given is None else {"Authorization": f"Bearer {given}"}
        answer = await api(route.method, path(route), None, headers=headers, json={} if route.body else None)
        assert answer.status_code == 401, given
        assert answer.headers["www-authenticate"] == "Bearer"
        assert answer.headers["content-type"] == "application/problem+json"


def test_the_table_names_the_role_of_every_route_that_the_application_has(routes_of_the_document) -> None:
    assert routes_of_the_document == {(one.method, f"/api/v1{one.path}") for one in ROUTES}


@pytest.fixture
def routes_of_the_document() -> set[tuple[str, str]]:
    from services.console.api.server import build
    from services.console.api.surroundings import Surroundings

    document = build(Surroundings(None, None, "0", None)).openapi()  # the document needs none of them
    return {(method.upper(), path) for path, one in document["paths"].items() for method in one}


async def test_an_expired_token_no_longer_opens(api) -> None:
    at = api.clock.now()
    _, secret = await api.store.api_tokens.create("short", Role.VIEWER, created_by="a test", expires_at=at)
    headers = {"Authorization": f"Bearer {secret.get_secret_value()}"}
    assert (await api("GET", "/health", None, headers=headers)).status_code == 401


async def test_a_token_is_kept_only_as_a_hash(api) -> None:
    kept = str(await api.store.collection("api_tokens").find({}))
    for text in api.tokens.values():
        assert text not in kept
        assert text[-32:] not in kept, "the end of the secret, which may hold any of its separators"
