"""Signing in with a name and a password, and signing out."""

from datetime import timedelta

from fastapi import Request
from pydantic import SecretStr
from starlette.responses import Response

from services.console.api.surroundings import Here, Surroundings
from services.console.web import kit, visitor
from services.console.web.visitor import Me
from shared.domain.people import Origin, User
from shared.store.rates import TooOften

SPAN = timedelta(minutes=5)
PER_ADDRESS, PER_USER = 30, 10
"""How often one may try in that time."""
WRONG = "The name or the password is not right."
NOTES = {"signed-out": "You are signed out.", "password": "Your password is set. Please sign in with it."}


async def show(request: Request, here: Here) -> Response:
    """The page where people sign in."""
    there = kit.own_path(request.query_params.get("next", "/"))
    if visitor.visitor_or_none(request) is not None:
        return kit.lead(request, there)
    return await _page(request, here, there=there, note=NOTES.get(request.query_params.get("note", ""), ""))


async def submit(request: Request, here: Here) -> Response:
    """Check name and password. Who is unknown and what is wrong is answered alike, after the same work."""
    given = await kit.form(request)
    name, there = given.get("name", "").strip().casefold()[:200], kit.own_path(given.get("next", "/"))
    try:
        await _take_turns(here, request, name)
    except TooOften as error:
        words = f"Too many attempts. Please wait {error.seconds} seconds."
        return await _page(request, here, there=there, name=name, wrong=words, status=429)
    password = SecretStr(given.get("password", "")[:1000])
    hashed = await here.store.users.password(name)
    right = await visitor.site(here).passwords.fits(hashed, password)
    user = await here.store.users.get(name) if right else None
    if user is None or user.origin is not Origin.LOCAL:
        await here.store.audit.append(f"user {name}"[:200], "sign_in", "Console", "password", outcome="failed")
        return await _page(request, here, there=there, name=name, wrong=WRONG, status=422)
    await let_in(request, here, user, "password")
    return kit.lead(request, there)


async def sign_out(request: Request, here: Here, me: Me) -> Response:
    """End this session, here and on the server."""
    await here.store.sessions.end(me.session.key, me.user.key)
    await here.store.audit.append(me.who, "sign_out", "Console", "session")
    visitor.set_cookie(request, visitor.site(here), visitor.SESSION, "", 0)
    return kit.redirect(request, "/sign-in", note="signed-out")


async def let_in(request: Request, here: Surroundings, user: User, how: str) -> None:
    """Begin a session for this browser under a new id. Whatever session it had is over."""
    known = visitor.site(here)
    old = visitor.visitor_or_none(request)
    if old is not None:
        await here.store.sessions.end(old.session.key, old.user.key)
    agent = request.headers.get("user-agent", "")
    given = await here.store.sessions.begin(user, agent=agent, address=known.address(request))
    await here.store.users.note_sign_in(user.key)
    await here.store.audit.append(user.who, "sign_in", "Console", how)
    visitor.set_cookie(request, known, visitor.FORM, "", 0)
    await visitor.enter(here, request, given.get_secret_value(), user)


async def _take_turns(here: Surroundings, request: Request, name: str) -> None:
    address = visitor.site(here).address(request)
    await here.store.rates.take("sign in from one address", address, PER_ADDRESS, SPAN)
    await here.store.rates.take("sign in as one user", name, PER_USER, SPAN)


async def _page(
    request: Request,
    here: Surroundings,
    *,
    there: str,
    name: str = "",
    wrong: str = "",
    note: str = "",
    status: int = 200,
) -> Response:
    return await kit.render(
        request,
        "sign_in.html",
        title="Sign in",
        status=status,
        there=there,
        name=name,
        wrong=wrong,
        note=note,
        provider=here.openid.title if here.openid else "",
    )
