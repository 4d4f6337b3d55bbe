"""One's own account: the password, and where one is signed in."""

from fastapi import Request
from pydantic import SecretStr
from starlette.responses import Response

from services.console import users
from services.console.api.surroundings import Here, Surroundings
from services.console.web import kit, visitor
from services.console.web.errors import sentence
from services.console.web.sign_in import PER_USER, SPAN
from services.console.web.visitor import Me
from shared.domain.errors import Permanent


async def show(request: Request, here: Here, me: Me) -> Response:
    """Who one is here."""
    return await _page(request, here, me, {})


async def change_password(request: Request, here: Here, me: Me) -> Response:
    """Another password, for somebody who knows the present one. Every other session ends; this one gets a new id."""
    given, known = await kit.form(request), visitor.site(here)
    await here.store.rates.take("change a password", me.user.key, PER_USER, SPAN)
    present, password = SecretStr(given.get("present", "")[:1000]), SecretStr(given.get("password", ""))
    try:
        if not await known.passwords.fits(await here.store.users.password(me.user.key), present):
            raise Permanent("the present password is not right", where="present")
        if given.get("password", "") != given.get("repeated", ""):
            raise Permanent("the two passwords differ", where="repeated")
        hashed = await users.hashed(known.passwords, password, me.user.name)
        await users.set_password(here.store, me.who, me.user, hashed, but=me.session.key)
    except Permanent as error:
        words = " ".join(filter(None, (sentence(error.what), sentence(error.remedy))))
        return await _page(request, here, me, {error.where: words})
    renewed = await here.store.sessions.renew(me.session, me.role)
    if renewed is not None:
        await visitor.enter(here, request, renewed.get_secret_value(), me.user)
    await kit.flash(request, "done", "Your password is changed; you are signed out everywhere else.")
    return kit.redirect(request, "/account")


async def end_session(request: Request, here: Here, me: Me) -> Response:
    """Sign out one of one's own browsers."""
    key = (await kit.form(request)).get("key", "")
    await here.store.audit.append(me.who, "end_sessions", users.KIND, me.user.key)
    ended = await here.store.sessions.end(key, me.user.key)
    await kit.flash(request, "done", "That browser is signed out." if ended else "That session had ended already.")
    return kit.redirect(request, "/account")


async def _page(request: Request, here: Surroundings, me: Me, errors: dict[str, str]) -> Response:
    return await kit.render(
        request,
        "account.html",
        title="Your account",
        crumbs=[("Your account", None)],
        status=422 if errors else 200,
        me=me,
        errors=errors,
        sessions=await here.store.sessions.of(me.user.key),
    )
