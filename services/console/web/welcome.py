"""Where a one-time link leads: the first administrator chooses name and password, an invited user the password."""

from datetime import timedelta

from fastapi import Request
from pydantic import SecretStr
from starlette.responses import Response

from services.console import users
from services.console.api.surroundings import Here, Surroundings
from services.console.web import kit, sign_in, visitor
from services.console.web.errors import sentence
from shared.domain.errors import Permanent
from shared.domain.people import Invitation

PER_ADDRESS, SPAN = 30, timedelta(minutes=5)


async def show(request: Request, here: Here, token: str = "") -> Response:
    """Ask for what the link is for."""
    return await _page(request, await _invitation(here, token), token)


async def submit(request: Request, here: Here) -> Response:
    """Use the link up, and sign the person in."""
    given, known = await kit.form(request), visitor.site(here)
    await here.store.rates.take("open one-time links", known.address(request), PER_ADDRESS, SPAN)
    token = given.get("token", "")
    invitation = await _invitation(here, token)
    name, password = given.get("name", ""), SecretStr(given.get("password", ""))
    try:
        if given.get("password", "") != given.get("repeated", ""):
            raise Permanent("the two passwords differ", where="repeated", remedy="type them again")
        hashed = await users.hashed(known.passwords, password, invitation.user or users.checked_name(name))
        user = await users.welcome(here.store, invitation, name, hashed)
    except Permanent as error:
        if error.code == users.used().code:
            raise
        return await _page(request, invitation, token, name=name, error=error)
    await sign_in.let_in(request, here, user, "one-time link")
    await kit.flash(request, "done", f"Welcome, {user.name}. You are signed in as {user.role.value}.")
    return kit.redirect(request, "/")


async def _invitation(here: Surroundings, token: str) -> Invitation:
    found = await here.store.invitations.find(token)
    if found is None:
        raise users.used()
    return found


async def _page(
    request: Request, invitation: Invitation, token: str, *, name: str = "", error: Permanent | None = None
) -> Response:
    errors = {error.where: f"{sentence(error.what)} {sentence(error.remedy)}".strip()} if error else {}
    return await kit.render(
        request,
        "welcome.html",
        title="Welcome",
        status=422 if error else 200,
        invitation=invitation,
        token=token,
        name=name,
        errors=errors,
    )
