"""Who is at a page: the session behind the cookie, what the visitor may do, and that a form is one of ours.

A form carries a word that is derived from the session's secret id (before sign-in: from a cookie of its own), and the
browser says by Origin which site sent it. Both must be right.
"""

import hmac
import secrets
from dataclasses import dataclass
from http.cookies import SimpleCookie
from typing import Annotated, Final, cast

from fastapi import Depends
from starlette.requests import Request

from services.console.api.problems import Refused
from services.console.api.surroundings import Surroundings
from services.console.web.site import Site, derived
from shared.domain.access import Role
from shared.domain.people import LONGEST, Session, User

SESSION: Final = "session"
FORM: Final = "form"
FIELD: Final = "csrf"
"""The form field that carries the word; scripts send it as HEADER."""
HEADER: Final = "X-CSRF-Token"
LARGEST_FORM: Final = 1024 * 1024
"""Bytes."""


@dataclass(frozen=True, slots=True)
class Visitor:
    """A person who is signed in, and the word that this session's forms carry."""

    user: User
    session: Session
    csrf: str

    @property
    def role(self) -> Role:
        """What the visitor may do."""
        return self.user.role

    @property
    def who(self) -> str:
        """How the audit log names the visitor."""
        return self.user.who


class SignInNeeded(Exception):
    """Nobody is signed in, and the page needs somebody."""


def site(here: Surroundings) -> Site:
    """How browsers know us. Raises Refused 503 where nobody can tell."""
    if here.site is None:
        raise Refused(
            503,
            "this console does not know the address that browsers call it by",
            remedy="set MAIL_AUTOMATOR_CONSOLE_PUBLIC_URL",
            code="public_url_missing",
        )
    return here.site


async def admit(here: Surroundings, request: Request, role: Role | None, changes: bool) -> None:
    """Let a request to a page in. Raises SignInNeeded, or Refused 403 for a role that is too low or a foreign form."""
    visitor = await find(here, request)
    request.state.visitor = visitor
    if role is not None and visitor is None:
        raise SignInNeeded
    if role is not None and visitor is not None and not visitor.role.covers(role):
        what = f"this page needs the role {role.value}, and yours is {visitor.role.value}"
        raise Refused(403, what, remedy="ask an administrator", code="forbidden")
    if changes:
        await _check_form(site(here), request)


async def find(here: Surroundings, request: Request) -> Visitor | None:
    """Who is signed in. A session whose user has another role by now goes on under a new id."""
    known = site(here)
    given = request.cookies.get(known.cookie(SESSION), "")
    session = await here.store.sessions.find(given) if given else None
    user = await here.store.users.get(session.user) if session else None
    if session is None or user is None or user.disabled:
        return None
    if session.role is not user.role:
        renewed = await here.store.sessions.renew(session, user.role)
        if renewed is None:
            return None
        return await enter(here, request, renewed.get_secret_value(), user)
    return Visitor(user, session, derived(given, FIELD))


async def enter(here: Surroundings, request: Request, given: str, user: User) -> Visitor | None:
    """Give the browser the id of its session. None if that has ended already."""
    session = await here.store.sessions.find(given)
    if session is None:
        return None
    set_cookie(request, site(here), SESSION, given, int(LONGEST.total_seconds()))
    visitor = Visitor(user, session, derived(given, FIELD))
    request.state.visitor = visitor
    return visitor


def set_cookie(request: Request, known: Site, name: str, value: str, seconds: int) -> None:
    """Send a cookie with whatever answers this request; 0 seconds take it back."""
    jar: SimpleCookie = SimpleCookie()
    key = known.cookie(name)
    jar[key] = value
    jar[key].update({"path": "/", "samesite": "Lax", "max-age": str(seconds)})
    flags = "; HttpOnly; Secure" if known.secure else "; HttpOnly"
    cookies(request)[key] = f"{jar[key].OutputString()}{flags}"


def cookies(request: Request) -> dict[str, str]:
    """What this request sets, by name: the outermost layer sends it."""
    state = cast("dict[str, dict[str, str]]", request.scope.setdefault("state", {}))
    return state.setdefault("cookies", {})


def csrf(here: Surroundings, request: Request) -> str:
    """The word that a form on this page carries."""
    visitor = visitor_or_none(request)
    if visitor is not None:
        return visitor.csrf
    known = site(here)
    given = request.cookies.get(known.cookie(FORM), "")
    if not given:
        given = secrets.token_urlsafe(32)
        set_cookie(request, known, FORM, given, int(LONGEST.total_seconds()))
    return derived(given, FIELD)


def visitor_or_none(request: Request) -> Visitor | None:
    """Who is signed in, on a page for everybody or where something went wrong."""
    return cast("Visitor | None", getattr(request.state, "visitor", None))


def _present(request: Request) -> Visitor:
    visitor = visitor_or_none(request)
    if visitor is None:
        raise SignInNeeded
    return visitor


Me = Annotated[Visitor, Depends(_present)]
"""The visitor of a page that needs a role."""


def check_origin(known: Site, request: Request) -> None:
    """Raises Refused 403 for a change that no page of ours asked for."""
    if not known.is_own(request):
        what = "this request did not come from a page of this console"
        raise Refused(403, what, remedy="open the page again and repeat it there", code="foreign_origin")


async def check_api(here: Surroundings, request: Request, visitor: Visitor) -> None:
    """The same for a change by one of our scripts, which sends the word as a header."""
    check_origin(site(here), request)
    _check_word(request.headers.get(HEADER, ""), visitor.csrf)


async def _check_form(known: Site, request: Request) -> None:
    check_origin(known, request)
    length = request.headers.get("content-length", "")
    if not length.isdecimal() or int(length) > LARGEST_FORM:
        what = f"a form may have at most {LARGEST_FORM // 1024} KiB"
        raise Refused(413, what, remedy="send less at once", code="too_large")
    visitor = visitor_or_none(request)
    cookie = request.cookies.get(known.cookie(FORM), "")
    right = visitor.csrf if visitor is not None else derived(cookie, FIELD) if cookie else ""
    _check_word(str((await request.form()).get(FIELD, "")), right)


def _check_word(given: str, right: str) -> None:
    if not right or not hmac.compare_digest(given.encode("utf-8", "replace"), right.encode()):
        what = "this form is too old, or not from this console"
        raise Refused(403, what, remedy="open the page again and repeat it there", code="foreign_form")
