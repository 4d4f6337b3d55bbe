"""Every route of the table, with every role and without any."""

import pytest
from fastapi import FastAPI

from services.console.api.routes import ROUTES, Route
from services.console.api.server import build
from services.console.api.surroundings import Surroundings
from services.console.web.table import PAGES
from shared.domain.access import Role

FILLED = {"{name}": "nobody", "{ticket}": "INC-1", "{mail_id}": "m1", "{part}": "2", "{token_id}": "0" * 16}


def path(route: Route) -> str:
    found = route.path
    for name, value in FILLED.items():
        found = found.replace(name, value)
    return found


def named(route: Route) -> str:
    return f"{route.method} {route.path}"


def asked(route: Route) -> list[tuple[Role, dict | None]]:
    """The requests that a route takes, each with its least role: with a body where it has one, and where it may be left
    out also without."""
    without = [(route.role, None)] if route.role_with_body or not route.body else []
    return [*without, (route.role_with_body or route.role, {})] if route.body else without


@pytest.mark.parametrize("route", ROUTES, ids=named)
@pytest.mark.row(86)
async def test_each_role_may_use_exactly_the_routes_of_its_rank(api, route: Route) -> None:
    for role in Role:
        for least, sent in asked(route):
            answer = await api(route.method, path(route), role, json=sent)
            if role.covers(least):
                assert answer.status_code not in (401, 403, 405, 500), (role, sent, answer.text)
            else:
                assert answer.status_code == 403, (role, sent, answer.text)
                assert answer.json()["code"] == "forbidden"


@pytest.mark.parametrize("route", ROUTES, ids=named)
@pytest.mark.row(86)
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


TABLE = {(one.method, f"/api/v1{one.path}") for one in ROUTES}
DOCUMENT = "/api/v1/openapi.json"
"""The one thing that anybody may read."""


def test_the_application_serves_what_the_table_names_and_nothing_else() -> None:
    """The routes themselves, not the document: a route that is left out of it would be found here."""
    served = {(method, one.path) for one in application().routes for method in one.methods if method != "HEAD"}
    pages = {(one.method, one.path) for one in PAGES}
    assert served == TABLE | pages | {("GET", DOCUMENT)}


def test_the_document_describes_every_route_of_the_table() -> None:
    described = application().openapi()["paths"]
    assert {(method.upper(), path) for path, one in described.items() for method in one} == TABLE


def application() -> FastAPI:
    """The application without anything to stand on: enough to look at it."""
    return build(Surroundings(None, None, "0", None))


def test_every_parameter_of_a_path_has_a_value_in_these_tests() -> None:
    assert not [one.path for one in ROUTES if "{" in path(one)]


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
