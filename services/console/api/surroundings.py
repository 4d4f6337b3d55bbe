"""What every endpoint is given: the store, the clock, and who is asking."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Annotated, cast
from urllib.parse import urlsplit

from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from services.console.api.problems import Refused
from services.console.probe.addresses import Rules
from shared.contracts.events import DEFAULT_SOURCE
from shared.domain.access import ApiToken, Role
from shared.domain.errors import ConfigurationError
from shared.oauth.authorities import Authorities
from shared.oauth.person import PersonSignIn
from shared.runtime.clock import Clock
from shared.store.client import Store


@dataclass(frozen=True, slots=True)
class SigningIn:
    """How people sign in to Microsoft here: the door to identity servers, and the address that browsers know us by."""

    door: PersonSignIn
    public_url: str

    @property
    def cookie_path(self) -> str:
        """Our sign-in pages, wherever a proxy has put us."""
        return f"{urlsplit(self.public_url).path}/sign-in"

    @property
    def secure(self) -> bool:
        """Whether the cookie may travel over TLS only; without TLS we are on this machine (see ConsoleSettings)."""
        return self.public_url.startswith("https:")


async def _unknown() -> None:
    """The depths of the queues, where nobody asks the broker."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """All that the API stands on. `tell` lets running services know that the configuration changed.

    `rules` and `authorities` say where a test of a mailbox may connect, and where it may ask for tokens; `running` are
    the tests that have not ended. `depths` says how many messages wait by queue (None: unknown).
    """

    store: Store
    clock: Clock
    version: str
    tell: Callable[[], Awaitable[None]]
    rules: Rules = field(default_factory=Rules)
    authorities: Authorities = field(default_factory=Authorities)
    running: set[asyncio.Task[None]] = field(default_factory=set[asyncio.Task[None]])
    signing_in: SigningIn | None = None
    event_source: str = DEFAULT_SOURCE
    depths: Callable[[], Awaitable[Mapping[str, int] | None]] = _unknown

    def people(self) -> SigningIn:
        """How people sign in here. Raises ConfigurationError where no browser could come back to us."""
        if self.signing_in is None:
            raise ConfigurationError(
                "this console does not know its own public address, to which browsers come back from Microsoft",
                remedy="set MAIL_AUTOMATOR_CONSOLE_PUBLIC_URL, or sign in by `mail-automator mailbox sign-in`",
                code="public_url_missing",
            )
        return self.signing_in


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


def at_least(role: Role, with_body: Role | None = None) -> Callable[[ApiToken, Request], None]:
    """A dependency that raises Refused 403 below that role, or for a request with a body below `with_body`."""

    def check(asking: Caller, request: Request) -> None:
        least = with_body if with_body is not None and has_body(request) else role
        if not asking.role.covers(least):
            what = f"this needs the role {least.value}, and the token has {asking.role.value}"
            raise Refused(403, what, remedy="use a token with that role", code="forbidden")

    return check


def has_body(request: Request) -> bool:
    """Whether the request has a body, where one may be left out (RFC 9112, 6)."""
    return request.headers.get("content-length", "0") != "0" or "transfer-encoding" in request.headers
