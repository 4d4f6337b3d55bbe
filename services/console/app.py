"""Composes the console: web pages and HTTP API over the store. Any number of replicas; it needs the store, and only
tells the broker (if it answers) that the configuration changed."""

import asyncio
import contextlib
import socket
import sys
from collections.abc import Generator
from functools import partial

import structlog
import uvicorn

from services.console.api.server import build
from services.console.api.surroundings import OpenId, SigningIn, Surroundings
from services.console.passwords import Passwords
from services.console.probe.settings import ProbeSettings
from services.console.settings import ConsoleSettings, OidcSettings
from services.console.users import first_link
from services.console.web.site import Site
from shared.broker.depths import depths
from shared.broker.hints import configuration_changed
from shared.broker.settings import BrokerSettings
from shared.domain.people import LINK_VALID
from shared.oauth.authorities import Authorities
from shared.oauth.openid import OpenIdClient, OpenIdProvider
from shared.oauth.person import PersonSignIn
from shared.oauth.settings import OAuthSettings
from shared.runtime import admin
from shared.runtime.process import Process
from shared.runtime.settings import EventSettings, read
from shared.store.client import Store
from shared.store.indexes import ensure_indexes, verify_indexes
from shared.store.settings import StoreSettings

BEAT_SECONDS = 5.0
TESTS_END_SECONDS = 5.0
"""How long a test of a mailbox, whose listener has gone, may take to write its last record."""

log = structlog.get_logger(__name__)


class _Server(uvicorn.Server):
    """Leaves signals to the process: uvicorn would take them."""

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        yield


async def main(process: Process) -> None:
    """Run until the process drains."""
    process.ready("store", False)
    process.ready("api", False)
    settings = read(ConsoleSettings, process.environ)
    broker, oauth = read(BrokerSettings, process.environ), read(OAuthSettings, process.environ)
    source = read(EventSettings, process.environ).source
    rules = read(ProbeSettings, process.environ).rules()
    authorities, oidc = Authorities.of(oauth), read(OidcSettings, process.environ)
    provider = _provider(oidc)
    door = PersonSignIn(authorities, oauth.timeout_seconds)
    store = await Store.open(
        read(StoreSettings, process.environ), clock=process.clock, environ=process.environ, metrics=process.metrics
    )
    try:
        await ensure_indexes(store)
        await verify_indexes(store)
        process.ready("store", True)

        async def tell() -> None:
            await configuration_changed(broker.url)

        listener = admin.bind(settings.host, settings.port)
        known_as = settings.known_as(listener.getsockname()[1])
        signing_in = SigningIn(door, known_as) if known_as else None
        around = Surroundings(
            store,
            process.clock,
            process.version,
            tell,
            rules,
            authorities,
            signing_in=signing_in,
            event_source=source,
            site=Site(known_as, Passwords(), settings.proxies) if known_as else None,
            openid=OpenId(provider, oidc.title, oidc.role_of) if provider else None,
            depths=partial(depths, broker.url),
            metrics=process.metrics,
        )
        await _serve(process, around, settings, listener)
        if around.running:
            await asyncio.wait(around.running, timeout=TESTS_END_SECONDS)
    finally:
        door.close()
        await store.close()


async def _serve(process: Process, around: Surroundings, settings: ConsoleSettings, listener: socket.socket) -> None:
    server = _Server(
        uvicorn.Config(
            build(around),
            log_config=None,
            access_log=False,
            lifespan="off",
            server_header=False,
            timeout_graceful_shutdown=10,
        )
    )
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    log.info("listening", host=settings.host, port=listener.getsockname()[1])
    process.ready("api", True)
    await _say_first_link(around)
    try:
        while not process.draining.is_set() and not serving.done():
            process.beat()
            await process.pause(BEAT_SECONDS)
    finally:
        server.should_exit = True
        await asyncio.wait([serving], timeout=15)


async def _say_first_link(around: Surroundings) -> None:
    """While there is no user: print the link on which the first one is made. It is no line of the log: it opens."""
    link = await first_link(around.store) if around.site else None
    if around.site is not None and link is not None:
        minutes = LINK_VALID.seconds // 60
        url = f"{around.site.public_url}/welcome?token={link.get_secret_value()}"
        sys.stdout.write(f"first administrator (open once, within {minutes} minutes): {url}\n")
        sys.stdout.flush()


def _provider(oidc: OidcSettings) -> OpenIdProvider | None:
    """The OpenID provider, if there is one. Raises ConfigurationError."""
    if not oidc.issuer:
        return None
    return OpenIdProvider(OpenIdClient(oidc.issuer, oidc.client_id, oidc.secret(), oidc.scopes, oidc.ca_file))
