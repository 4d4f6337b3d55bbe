"""Signing in at the OpenID provider: away to it, and back.

State, nonce and PKCE verifier are derived from a secret that only this browser has, in a cookie that serves one
attempt: nothing is kept here, any replica can take the answer, and no other browser can.
"""

import hashlib
import hmac
import secrets
from typing import Any

from fastapi import Request
from starlette.responses import RedirectResponse, Response

from services.console.api.problems import Refused
from services.console.api.surroundings import Here, OpenId, Surroundings
from services.console.web import kit, sign_in, visitor
from services.console.web.site import derived
from shared.domain.access import Role
from shared.domain.errors import AutomatorError, Permanent
from shared.domain.people import Origin, User

START, CALLBACK = "/openid/start", "/openid/callback"
COOKIE = "openid"
SECONDS = 600
NAMES = ("preferred_username", "email", "name", "sub")
"""Claims that a person is called by, the best first."""


async def start(request: Request, here: Here) -> Response:
    """Send the browser to the provider."""
    ours, known = _openid(here), visitor.site(here)
    secret = secrets.token_urlsafe(32)
    words = {name: derived(secret, name) for name in ("state", "nonce", "verifier")}
    url = await ours.provider.leave(f"{known.public_url}{CALLBACK}", **words)
    there = kit.own_path(request.query_params.get("next", "/"))
    visitor.set_cookie(request, known, COOKIE, secret, SECONDS)
    visitor.set_cookie(request, known, "next", there if len(there) < 1000 else "/", SECONDS)
    return RedirectResponse(url, 303)


async def callback(request: Request, here: Here) -> Response:
    """Take what the browser brings back, and let the person in."""
    known = visitor.site(here)
    secret = request.cookies.get(known.cookie(COOKIE), "")
    visitor.set_cookie(request, known, COOKIE, "", 0)
    try:
        user = await _user(here, await _claims(here, request, secret))
    except AutomatorError as error:
        await here.store.audit.append("somebody", "sign_in", "Console", f"openid: {error.code}", outcome="failed")
        raise
    await sign_in.let_in(request, here, user, "openid")
    return kit.lead(request, kit.own_path(request.cookies.get(known.cookie("next"), "/")))


async def _claims(here: Surroundings, request: Request, secret: str) -> Any:
    ours, query = _openid(here), request.query_params
    if not secret or not hmac.compare_digest(query.get("state", "").encode(), derived(secret, "state").encode()):
        what = "this sign-in cannot be finished: it took too long, was finished already, or began in another browser"
        raise Permanent(what, remedy="begin once more", code="openid_state_invalid")
    if "code" not in query:
        raise Permanent("you were not signed in there", remedy="begin once more", code="openid_declined")
    return await ours.provider.arrive(
        f"{visitor.site(here).public_url}{CALLBACK}",
        query["code"],
        nonce=derived(secret, "nonce"),
        verifier=derived(secret, "verifier"),
    )


async def _user(here: Surroundings, claims: Any) -> User:
    """The user that the claims are of, as the provider describes it today. Raises Refused 403 for who may not in."""
    ours = _openid(here)
    key = key_of(ours.provider.issuer, str(claims["sub"]))
    name = next(str(claims[one]) for one in NAMES if claims.get(one))[:100]
    role = ours.role_of(claims)
    user = await here.store.users.get(key)
    if role is None or (user is not None and user.disabled):
        what = f"{name} may not use this console"
        raise Refused(403, what, remedy="ask an administrator", code="not_let_in")
    if user is None:
        await here.store.users.add(key, name, role, created_by=ours.provider.issuer, origin=Origin.OPENID)
    else:
        await _follow(here, user, name, role)
    found = await here.store.users.get(key)
    if found is None:
        raise Permanent("the user was removed meanwhile", remedy="begin once more", code="unknown_user")
    return found


async def _follow(here: Surroundings, user: User, name: str, role: Role) -> None:
    if user.name != name:
        await here.store.users.set_name(user.key, name)
    if user.role is not role:
        old, new = {"role": user.role.value}, {"role": role.value}
        await here.store.audit.append("openid provider", "set_role", "User", user.key, old=old, new=new)
        await here.store.users.set_role(user.key, role)


def key_of(issuer: str, subject: str) -> str:
    """What a person is kept under: stays the same, and can be no local user's name."""
    return f"openid:{hashlib.sha256(f'{issuer}|{subject}'.encode()).hexdigest()[:32]}"


def _openid(here: Surroundings) -> OpenId:
    if here.openid is None:
        raise Refused(404, "signing in at a provider is not set up here", remedy="", code="no_openid")
    return here.openid
