"""What every endpoint is given: the store, the clock, and how browsers know us."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, cast
from urllib.parse import urlsplit

from fastapi import Depends, Request

from services.console.old_mail import PATIENCE
from services.console.probe.addresses import Rules
from services.console.web.site import Site
from shared.contracts.events import DEFAULT_SOURCE
from shared.domain.access import Role
from shared.domain.errors import ConfigurationError
from shared.oauth.authorities import Authorities
from shared.oauth.openid import OpenIdProvider
from shared.oauth.person import PersonSignIn
from shared.observability.metrics import Metrics
from shared.runtime.clock import Clock
from shared.store.client import Store

CUTS = 2
"""Files that are cut out of raw mails at the same time."""


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
class OpenId:
    """Signing in to the console itself at an OpenID provider: what its button says, and what its groups make of one."""

    provider: OpenIdProvider
    title: str
    role_of: Callable[[Mapping[str, Any]], Role | None]


@dataclass(frozen=True, slots=True)
class Surroundings:
    """All that API and pages stand on. `tell` lets running services know that the configuration changed.

    `rules` and `authorities` say where a test of a mailbox may connect, and where it may ask for tokens; `running` are
    the tests and back-tests that have not ended, `trying` who has a back-test running. `site` is missing where nobody
    can tell what browsers call us: then no page answers. `depths` says how many messages wait by queue (None: unknown).
    `patience` is for how many seconds a fetcher's answer is waited for, `cutting` is held while a file is cut out of a
    raw mail, which takes a few times the mail's size in memory.
    Requests are counted in `metrics`, if there are any.
    """

    store: Store
    clock: Clock
    version: str
    tell: Callable[[], Awaitable[None]]
    rules: Rules = field(default_factory=Rules)
    authorities: Authorities = field(default_factory=Authorities)
    running: set[asyncio.Task[None]] = field(default_factory=set[asyncio.Task[None]])
    trying: set[str] = field(default_factory=set[str])
    signing_in: SigningIn | None = None
    event_source: str = DEFAULT_SOURCE
    site: Site | None = None
    openid: OpenId | None = None
    depths: Callable[[], Awaitable[Mapping[str, int] | None]] = _unknown
    patience: float = PATIENCE
    cutting: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(CUTS))
    metrics: Metrics | None = None

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
