"""The real console on a private port, over a real store: people of each role, and a browser without a screen."""

import asyncio
import html
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import cache
from urllib.parse import urljoin, urlsplit

import httpx
from pydantic import SecretStr

from services.console.api.server import build
from services.console.api.surroundings import OpenId, SigningIn, Surroundings
from services.console.passwords import Passwords
from services.console.probe.addresses import Rules
from services.console.web.site import Site
from services.console.web.visitor import SESSION
from shared.domain.access import Role
from shared.oauth.authorities import Authorities
from shared.oauth.person import PersonSignIn
from shared.observability.metrics import Metrics
from shared.runtime import admin
from shared.store.client import Store
from tests.support.canary import check, secret
from tests.support.embedded_store import FakeClock
from tests.support.serving import serving

LOCAL = Rules(allow_loopback=True, hide_refusals=False)
"""A test of a mailbox may reach the servers of tests, which are on this machine."""
PASSWORD = secret("a password of a person")


@cache
def _hashed() -> str:
    """What is kept of PASSWORD. A hash takes a tenth of a second by intent: one is made for all tests of a process."""
    return asyncio.run(Passwords().hash(SecretStr(PASSWORD)))


def name_of(role: Role) -> str:
    """What the person with that role signs in as."""
    return f"{role.value}.person"


@dataclass
class Console:
    """It runs. `told` counts how often services were told of a change."""

    url: str
    store: Store
    clock: FakeClock
    site: Site
    told: list[None] = field(default_factory=list)

    async def people(self) -> None:
        """A user of each role, all with the same password."""
        hashed = await asyncio.to_thread(_hashed)
        for role in Role:
            await self.store.users.add(name_of(role), name_of(role), role, created_by="a test", password=hashed)

    async def session_cookie(self, role: Role) -> tuple[str, str]:
        """Name and value of the cookie of somebody who has just signed in."""
        user = await self.store.users.get(name_of(role))
        assert user is not None
        given = await self.store.sessions.begin(user, agent="a test")
        return self.site.cookie(SESSION), given.get_secret_value()

    def person(self, origin: str | None = None) -> "Person":
        """Somebody with a browser who is not signed in."""
        return Person(self, origin)

    async def signed_in(self, role: Role) -> "Person":
        """Somebody of that role with a browser, signed in."""
        person = self.person()
        name, value = await self.session_cookie(role)
        person.client.cookies.set(name, value, domain="localhost.local", path="/")  # as its jar calls this host
        return person


class Person:
    """A browser without a screen: keeps cookies, fills in forms, and follows redirects only when told to."""

    def __init__(self, console: Console, origin: str | None = None) -> None:
        self.console = console
        self.origin = origin or console.url
        self.client = httpx.AsyncClient(base_url=console.url, timeout=20, verify=False)  # no TLS: it is slow to make

    async def __aenter__(self) -> "Person":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.client.aclose()

    async def get(self, path: str, **more) -> httpx.Response:
        """A page."""
        return self._seen(await self.client.get(path, **more))

    async def post(self, path: str, fields: dict[str, str], headers: dict[str, str] | None = None) -> httpx.Response:
        """A form, as a browser sends it from a page of this console."""
        sent = {"Origin": self.origin, **(headers or {})}
        return self._seen(await self.client.post(path, data=fields, headers=sent))

    async def submit(self, shown: httpx.Response, action: str = "", **fields: str) -> httpx.Response:
        """Fill in a form of a page and send it: the one with that action, or the first one that is no menu's."""
        found = forms(shown)
        path = next(one for one in found if (one == action if action else not one.endswith("/sign-out")))
        return await self.post(urljoin(str(shown.url), path), {**found[path], **fields})

    async def sign_in(self, name: str, password: str = PASSWORD) -> httpx.Response:
        """By the page for it."""
        return await self.submit(await self.get("/sign-in"), "/sign-in", name=name, password=password)

    def _seen(self, answer: httpx.Response) -> httpx.Response:
        check(f"{answer.headers}{answer.text}", "a page of the console")
        return answer


def forms(shown: httpx.Response) -> dict[str, dict[str, str]]:
    """The forms of a page that post, by action, with their hidden fields."""
    found: dict[str, dict[str, str]] = {}
    for tag, inner in re.findall(r"<form([^>]*)>(.*?)</form>", shown.text, re.DOTALL):
        if 'method="post"' in tag:
            action = re.search(r'action="([^"]*)"', tag)
            hidden = re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', inner)
            found[html.unescape(action[1]) if action else ""] = {name: html.unescape(value) for name, value in hidden}
    return found


def there(answer: httpx.Response) -> str:
    """Where a redirect leads, as path and query."""
    assert answer.status_code == 303, (answer.status_code, answer.text)
    url = urlsplit(answer.headers["location"])
    return f"{url.path}?{url.query}" if url.query else url.path


@asynccontextmanager
async def running_console(
    store: Store,
    clock: FakeClock,
    *,
    public_url: str = "",
    openid: OpenId | None = None,
    proxies: int = 0,
    queues: Mapping[str, int] | None = None,
    authorities: Authorities | None = None,
    metrics: Metrics | None = None,
) -> AsyncIterator[Console]:
    """The console; browsers know it by `public_url`, otherwise by its port on this machine. `queues` is what the broker
    says of its queues (None: it is away), `authorities` are the identity servers at which mailboxes sign in; requests
    are counted in `metrics`."""
    told: list[None] = []

    async def tell() -> None:
        told.append(None)

    async def depths() -> Mapping[str, int] | None:
        return queues

    listener = admin.bind("127.0.0.1", 0)
    url = f"http://localhost:{listener.getsockname()[1]}"
    site = Site(public_url or url, Passwords(), proxies)
    identity = authorities or Authorities()
    door = PersonSignIn(identity, 5)
    app = build(
        Surroundings(
            store,
            clock,
            "0.0.0",
            tell,
            LOCAL,
            authorities=identity,
            signing_in=SigningIn(door, site.public_url),
            site=site,
            openid=openid,
            depths=depths,
            metrics=metrics,
        )
    )
    try:
        async with serving(app, listener):
            yield Console(url, store, clock, site, told)
    finally:
        door.close()
