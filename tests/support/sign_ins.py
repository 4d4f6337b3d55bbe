"""Mailboxes that people sign in for, a console where they do, and a browser that goes there and to our provider."""

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, urljoin, urlsplit

import httpx

from services.all_in_one.demo.dovecot import Dovecot
from services.console.api.server import build
from services.console.api.surroundings import SigningIn, Surroundings
from services.console.passwords import Passwords
from services.console.web.site import Site
from shared.domain.access import Role
from shared.domain.mailbox import Mailbox
from shared.domain.sign_in import SignIn
from shared.oauth.applications import application_of
from shared.oauth.person import PersonSignIn
from shared.oauth.values import Application, Granted
from shared.runtime import admin
from shared.runtime.clock import Clock
from shared.store.client import Store
from tests.support.console import forms
from tests.support.fetching import NAME
from tests.support.identity import PUBLIC, TENANT, Client, Provider
from tests.support.imap import USER, imap_of
from tests.support.serving import serving

PUBLIC_CLIENT = "app-public"
REDIRECT = "http://127.0.0.1:1/sign-in/callback"
WHERE = "mailbox support"


def register(provider: Provider, redirect: str = REDIRECT) -> None:
    """A public client, and `app-1` with its secret, where people come back to `redirect`."""
    provider.clients[PUBLIC_CLIENT] = Client(PUBLIC, "")
    for client in provider.clients.values():
        client.redirects = (redirect,)


def delegated_mailbox(
    provider: Provider, server: Dovecot | None = None, name: str = NAME, user: str = USER, **auth: object
) -> Mailbox:
    """A mailbox that a person signs in for, at a public client; `auth` replaces fields."""
    imap = imap_of(server, start_from="all").model_dump(mode="json") if server else {"host": "imap.desk.example"}
    fields = {"type": "oauth2_microsoft", "flow": "delegated", "client_id": PUBLIC_CLIENT, "tenant_id": TENANT}
    spec = {
        "module": "ticket",
        "email": user,
        "imap": imap,
        "auth": {**fields, "authority": provider.authority, **auth},
        "acknowledgements": {"enabled": False},
    }
    return Mailbox.model_validate({"name": name, "spec": spec})


async def application(store: Store, mailbox: Mailbox) -> Application:
    """Who asks for the mailbox's tokens."""
    assert mailbox.spec.delegated is not None
    return await application_of(mailbox, mailbox.spec.delegated, store.secrets.reveal)


def trust(provider: Provider) -> ssl.SSLContext:
    """Of the provider's own authority."""
    return ssl.create_default_context(cafile=str(provider.certificates.ca_file))


async def visit(provider: Provider, url: str) -> dict[str, str]:
    """A browser goes to the identity provider, the person signs in there: what it brings back."""
    async with httpx.AsyncClient(verify=trust(provider)) as browser:
        answer = await browser.get(url)
    assert answer.status_code == 302, answer.text
    return dict(parse_qsl(urlsplit(answer.headers["location"]).query))


async def person_signs_in(store: Store, provider: Provider, mailbox: Mailbox, person: str = "") -> Granted:
    """Through the door and the identity provider, without a console."""
    provider.person = person or provider.person
    door, who = PersonSignIn(provider.authorities, 5), await application(store, mailbox)
    try:
        begun = await door.begin(who, WHERE, REDIRECT, "a-state")
        return await door.finish(who, WHERE, begun.flow, await visit(provider, begun.url))
    finally:
        door.close()


async def signed_in(store: Store, provider: Provider, mailbox: Mailbox, person: str = "") -> SignIn:
    """A person has signed in, and that is kept."""
    granted = await person_signs_in(store, provider, mailbox, person)
    return await store.sign_ins.put(mailbox, granted.cache, account=granted.account, by="a test", public=granted.public)


@dataclass
class Console:
    """A running console, as the holder of a token of each role. `told` counts changes that services were told of."""

    url: str
    store: Store
    provider: Provider
    tokens: dict[Role, str]
    told: list[None] = field(default_factory=list)

    async def __call__(self, method: str, path: str, role: Role = Role.EDITOR) -> httpx.Response:
        headers = {"Authorization": f"Bearer {self.tokens[role]}"}
        async with httpx.AsyncClient(base_url=self.url, timeout=20, verify=False) as client:
            return await client.request(method, f"/api/v1{path}", headers=headers)

    async def link(self, mailbox: str = NAME) -> str:
        """A one-time link."""
        answer = await self("POST", f"/mailboxes/{mailbox}/sign-in")
        assert answer.status_code == 201, answer.text
        return answer.json()["link"]


@asynccontextmanager
async def console(store: Store, provider: Provider, public_url: str = "") -> AsyncIterator[Console]:
    """The console, to which the provider lets people come back; browsers know it by `public_url`."""
    told: list[None] = []

    async def tell() -> None:
        told.append(None)

    tokens = {}
    for role in Role:
        _, secret = await store.api_tokens.create(role.value, role, created_by="a test")
        tokens[role] = secret.get_secret_value()
    listener = admin.bind("127.0.0.1", 0)
    url = f"http://localhost:{listener.getsockname()[1]}"
    register(provider, f"{public_url or url}/sign-in/callback")
    door = PersonSignIn(provider.authorities, 5)
    known_as = public_url or url
    site = Site(known_as, Passwords())
    app = build(Surroundings(store, Clock(), "0.0.0", tell, signing_in=SigningIn(door, known_as), site=site))
    try:
        async with serving(app, listener):
            yield Console(url, store, provider, tokens, told)
    finally:
        door.close()


class Browser:
    """A person's browser: keeps cookies, presses the button, follows redirects one by one."""

    def __init__(self, provider: Provider) -> None:
        self.client = httpx.AsyncClient(verify=trust(provider), timeout=20)
        self.origin = ""
        """What this browser calls the console, if a proxy stands before it."""

    async def __aenter__(self) -> "Browser":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.client.aclose()

    async def go(self, url: str, method: str = "GET") -> httpx.Response:
        return await self.client.request(method, url)

    async def press(self, shown: httpx.Response) -> httpx.Response:
        """The button of a page."""
        ((action, fields),) = forms(shown).items()
        path = action.removeprefix(urlsplit(self.origin).path)
        sent = "; ".join(f"{name}={value}" for name, value in self.client.cookies.items())
        headers = {"Origin": "{0.scheme}://{0.netloc}".format(urlsplit(self.origin or str(shown.url))), "Cookie": sent}
        return await self.client.post(urljoin(str(shown.url), path), data=fields, headers=headers)

    async def to_microsoft(self, link: str) -> str:
        """Consent page and button: where the browser is sent."""
        sent = await self.press(await self.go(link))
        assert sent.status_code == 303, sent.text
        return sent.headers["location"]

    async def back(self, url: str) -> str:
        """The person signs in there: where the browser is sent back to."""
        answer = await self.go(url)
        assert answer.status_code == 302, answer.text
        return answer.headers["location"]

    async def whole_way(self, link: str) -> httpx.Response:
        """From the link to the page that says what came of it."""
        return await self.go(await self.back(await self.to_microsoft(link)))
