"""Who asks the API for something: the holder of a token, or a person whose browser is signed in to the console."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from services.console.api.problems import Refused
from services.console.api.surroundings import Here, Surroundings
from services.console.web import visitor
from shared.domain.access import Role

BEARER = HTTPBearer(
    auto_error=False,
    description="An API token: `mail-automator token create`. A browser that is signed in to the console needs none; "
    f"for a change it sends {visitor.HEADER}.",
)
READS = ("GET", "HEAD")


@dataclass(frozen=True, slots=True)
class Asking:
    """Who asks. `who` is the name for the audit log, `key` stays the same from request to request."""

    who: str
    key: str
    role: Role


async def caller(
    request: Request, here: Here, given: Annotated[HTTPAuthorizationCredentials | None, Depends(BEARER)]
) -> Asking:
    """Who is asking. Raises Refused 401, or 403 for a change by a browser that is not from a page of ours."""
    found = await _person(here, request) if given is None else await _holder(here, given.credentials)
    if found is None:
        remedy = "send `Authorization: Bearer <token>`; `mail-automator token create` makes one"
        raise Refused(401, "no valid API token was given", remedy=remedy, code="unauthenticated")
    return found


Caller = Annotated[Asking, Depends(caller)]


async def _holder(here: Surroundings, given: str) -> Asking | None:
    token = await here.store.api_tokens.holder(given)
    return Asking(f"token {token.name} ({token.token_id})", token.token_id, token.role) if token else None


async def _person(here: Surroundings, request: Request) -> Asking | None:
    found = await visitor.find(here, request) if here.site else None
    if found is None:
        return None
    if request.method not in READS:
        await visitor.check_api(here, request, found)
    return Asking(found.who, found.user.key, found.role)


def at_least(role: Role, with_body: Role | None = None) -> Callable[[Asking, Request], Awaitable[None]]:
    """A dependency that raises Refused 403 below that role, or for a request with a body below `with_body`."""

    async def check(asking: Caller, request: Request) -> None:
        least = with_body if with_body is not None and has_body(request) else role
        if not asking.role.covers(least):
            what = f"this needs the role {least.value}, and the token has {asking.role.value}"
            raise Refused(403, what, remedy="use a token with that role", code="forbidden")

    return check


def has_body(request: Request) -> bool:
    """Whether the request has a body, where one may be left out (RFC 9112, 6)."""
    return request.headers.get("content-length", "0") != "0" or "transfer-encoding" in request.headers
