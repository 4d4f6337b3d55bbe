"""What every endpoint is given: the store, the clock, and who is asking."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated, cast

from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from services.console.api.problems import Refused
from shared.contracts.events import DEFAULT_SOURCE
from shared.domain.access import ApiToken, Role
from shared.runtime.clock import Clock
from shared.store.client import Store


@dataclass(frozen=True, slots=True)
class Surroundings:
    """All that the API stands on. `tell` lets running services know that the configuration changed."""

    store: Store
    clock: Clock
    version: str
    tell: Callable[[], Awaitable[None]]
    event_source: str = DEFAULT_SOURCE


def surroundings(request: Request) -> Surroundings:
    """Those the application was built with."""
    return cast("Surroundings", request.app.state.surroundings)


Here = Annotated[Surroundings, Depends(surroundings)]
BEARER = HTTPBearer(auto_error=False, description="An API token: `mail-automator token create`.")


async def caller(here: Here, given: Annotated[HTTPAuthorizationCredentials | None, Depends(BEARER)]) -> ApiToken:
    """Who is asking. Raises Refused 401."""
    found = None if given is None else await here.store.api_tokens.holder(given.credentials)
    if found is None:
        remedy = "send `Authorization: Bearer <token>`; `mail-automator token create` makes one"
        raise Refused(401, "no valid API token was given", remedy=remedy, code="unauthenticated")
    return found


Caller = Annotated[ApiToken, Depends(caller)]


def who(token: ApiToken) -> str:
    """How the audit log names the holder of a token."""
    return f"token {token.name} ({token.token_id})"


def at_least(role: Role) -> Callable[[ApiToken], None]:
    """A dependency that raises Refused 403 below that role."""

    def check(asking: Caller) -> None:
        if not asking.role.covers(role):
            what = f"this needs the role {role.value}, and the token has {asking.role.value}"
            raise Refused(403, what, remedy="use a token with that role", code="forbidden")

    return check
