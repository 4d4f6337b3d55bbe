"""The real API on a real port, over a real private store, and a client of each role."""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field

import httpx
import pytest
import pytest_asyncio

from services.console.api.server import build
from services.console.api.surroundings import Surroundings
from services.console.probe.addresses import Rules
from shared.domain.access import Role
from shared.runtime import admin
from shared.store.client import Store
from tests.support.canary import check, secret
from tests.support.embedded_store import FakeClock
from tests.support.serving import serving

CANARY = secret("api")


@dataclass
class Api:
    """The running API. `told` counts how often services were told of a change; `seen` is every answer's text."""

    url: str
    store: Store
    clock: FakeClock
    tokens: dict[Role, str]
    told: list[None] = field(default_factory=list)
    seen: list[str] = field(default_factory=list)

    async def __call__(self, method: str, path: str, role: Role | None = Role.ADMINISTRATOR, **more) -> httpx.Response:
        """One request as the holder of a token of that role."""
        headers = {**({"Authorization": f"Bearer {self.tokens[role]}"} if role else {}), **more.pop("headers", {})}
        async with httpx.AsyncClient(base_url=self.url, timeout=20, verify=False) as client:  # no TLS: slow to make
            answer = await client.request(method, f"/api/v1{path}", headers=headers, **more)
        self.seen.append(f"{answer.headers}{answer.text}")
        check(self.seen[-1], "an answer of the API")
        return answer


@pytest.fixture
def rules() -> Rules:
    """Where a test of a mailbox may connect: as on a server of ours."""
    return Rules()


@pytest_asyncio.fixture
async def api(store: Store, clock: FakeClock, rules: Rules) -> AsyncIterator[Api]:
    """The API, running."""
    told: list[None] = []

    async def tell() -> None:
        told.append(None)

    tokens = {}
    for role in Role:
        _, secret = await store.api_tokens.create(role.value, role, created_by="a test")
        tokens[role] = secret.get_secret_value()
    listener = admin.bind("127.0.0.1", 0)
    app = build(Surroundings(store, clock, "0.0.0", tell, rules, patience=0.3))
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    async with serving(app, listener):
        yield Api(url, store, clock, tokens, told)


def mailbox_body(name: str = "support", **spec) -> dict:
    """What is sent to make a mailbox with a password."""
    fields = {
        "module": "ticket",
        "email": "support@example.com",
        "imap": {"host": "imap.example.com"},
        "auth": {"type": "basic", "password": CANARY},
        "acknowledgements": {"enabled": False},
    }
    return {"metadata": {"name": name}, "spec": {**fields, **spec}}


Builder = Callable[..., dict]


@pytest_asyncio.fixture
async def body() -> Builder:
    """The builder of mailbox bodies."""
    return mailbox_body
