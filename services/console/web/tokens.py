"""API tokens: which there are, making one (its text is on one page, once), closing one for ever."""

from collections.abc import Mapping
from datetime import datetime
from typing import Final

import orjson
from fastapi import Request
from starlette.responses import Response

from services.console import changes
from services.console.api import tokens as api
from services.console.api.problems import Refused
from services.console.api.surroundings import Here, Surroundings
from services.console.api.tokens import TokenId
from services.console.configuration.problems import ConfigurationProblems
from services.console.web import email_form, kit
from services.console.web.users import CHOICES
from services.console.web.visitor import Me
from services.console.web.words import Pill
from shared.domain.access import ApiToken, Role

LIST: Final = "/tokens"
BLANK: Final = {"name": "", "role": Role.VIEWER.value, "days": "90"}
FIELDS: Final = ("name", "role", "days")


async def list_(request: Request, here: Here) -> Response:
    """All that were ever made, the newest first."""
    now = here.clock.now()
    found = reversed(await here.store.api_tokens.all())
    return await kit.render(
        request,
        "tokens.html",
        title="API tokens",
        crumbs=[("API tokens", None)],
        rows=[(one, _state(one, now)) for one in found],
    )


async def new(request: Request) -> Response:
    """Ask whose it is, what it may do, and for how long."""
    return await _new(request, BLANK, {})


async def create(request: Request, here: Here, me: Me) -> Response:
    """Make one and show its text: on this page, and never again."""
    given = await kit.form(request)
    values = {one: given.get(one, "").strip() for one in FIELDS}
    try:
        made, text = await api.make(here, me.who, orjson.dumps({**values, "days": values["days"] or None}))
    except ConfigurationProblems as error:
        return await _new(request, values, email_form.errors(error))
    return await kit.render(
        request,
        "token_made.html",
        title=f"The token of {made.name}",
        crumbs=[("API tokens", LIST), (made.name, None)],
        token=made,
        text=text.get_secret_value(),
    )


async def ask_revoke(request: Request, here: Here, token_id: TokenId) -> Response:
    """Ask once more before it is closed."""
    token = await _find(here, token_id)
    return await kit.render(
        request,
        "token_revoke.html",
        title=f"Revoke the token of {token.name}?",
        crumbs=[("API tokens", LIST), (token.name, None)],
        token=token,
    )


async def revoke(request: Request, here: Here, me: Me, token_id: TokenId) -> Response:
    """Close it for ever."""
    token = await _find(here, token_id)
    await changes.revoke_token(here.store, me.who, token_id)
    await kit.flash(request, "done", f"The token of {token.name} is revoked: it opens nothing any more.")
    return kit.redirect(request, LIST)


async def _find(here: Surroundings, token_id: str) -> ApiToken:
    """A token that is not revoked yet. Raises Refused 404."""
    found = next((one for one in await here.store.api_tokens.all() if one.token_id == token_id), None)
    if found is None or found.revoked_at is not None:
        what = f"no open token has the id {token_id}"
        raise Refused(404, what, remedy="the page API tokens lists them", code="unknown_token")
    return found


async def _new(request: Request, values: Mapping[str, str], wrong: Mapping[str, str]) -> Response:
    return await kit.render(
        request,
        "token_new.html",
        title="New API token",
        crumbs=[("API tokens", LIST), ("New", None)],
        status=422 if wrong else 200,
        values=values,
        wrong=wrong,
        choices=CHOICES,
    )


def _state(token: ApiToken, now: datetime) -> Pill:
    if token.revoked_at is not None:
        return "Revoked", "off"
    return ("Open", "good") if token.valid(now) else ("Expired", "off")
