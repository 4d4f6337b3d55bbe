"""msal itself, behind one door: made for one question, asked in a thread of our own, its errors in our words.

msal blocks, even in its constructor (library-notes): it must never run on the event loop, and a hanging identity server
must take nothing from the rest of the process.
"""

import asyncio
import json
import logging
import warnings
from collections.abc import Callable, Generator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar, cast

import msal  # pyright: ignore[reportMissingTypeStubs]  # it has none; the Protocols say what we use

from shared.domain.errors import AutomatorError
from shared.oauth.authorities import Authorities, Place
from shared.oauth.errors import ProviderUnavailable
from shared.oauth.http import IdentityHttp
from shared.oauth.refusals import refusal, tenant_refused
from shared.oauth.values import Application

T = TypeVar("T")
Answer = Mapping[str, Any]
Flow = dict[str, Any]

PATIENCE = 30.0
"""Seconds for one question: discovery and request together."""
THREADS = 8


class Cache(Protocol):
    """msal's token cache."""

    has_state_changed: bool

    def serialize(self) -> str: ...
    def deserialize(self, state: str | None) -> None: ...
    def search(self, credential_type: str) -> Generator[Mapping[str, str]]: ...


class Client(Protocol):
    """The part of msal that is used."""

    def acquire_token_for_client(self, scopes: list[str]) -> Answer: ...
    def initiate_auth_code_flow(self, scopes: list[str], redirect_uri: str, state: str, prompt: str) -> Flow: ...
    def acquire_token_by_auth_code_flow(self, auth_code_flow: Flow, auth_response: Flow) -> Answer: ...
    def initiate_device_flow(self, scopes: list[str]) -> Flow: ...
    def acquire_token_by_device_flow(self, flow: Flow, exit_condition: Callable[[Flow], bool]) -> Answer: ...
    def get_accounts(self) -> list[Mapping[str, str]]: ...
    def acquire_token_silent_with_error(
        self, scopes: list[str], account: Mapping[str, str], force_refresh: bool
    ) -> Answer | None: ...


@dataclass(frozen=True, slots=True)
class Asked:
    """Who asks what, where, and what errors name as the place."""

    application: Application
    place: Place
    where: str
    timeout: float
    delegated: bool = False

    @contextmanager
    def client(self, cache: Cache | None = None) -> Generator[Client]:
        """msal for one question. Blocks. Inside, its errors become ours."""
        http = IdentityHttp(self.place, self.timeout, self.where)
        try:
            yield _client(self.application, self.place, http, cache)
        except (ValueError, KeyError, TypeError, RuntimeError):
            # msal says "unable to get authority configuration" and drops the server's own words; its texts are not
            # shown: they may hold what it was given.
            answer = json_of(http.refused)
            if "error" in answer:
                raise self.refusal(answer) from None
            raise (tenant_refused(self.where) if http.refused else self.senseless()) from None

    def refusal(self, answer: Answer) -> AutomatorError:
        """The error for an error answer."""
        return refusal(answer, self.application, self.where, delegated=self.delegated)

    def senseless(self) -> ProviderUnavailable:
        """The error for an answer that is none."""
        return ProviderUnavailable("the identity server's answer makes no sense", where=self.where)


class Door:
    """Asks in threads of its own."""

    def __init__(self, authorities: Authorities, timeout: float) -> None:
        logging.getLogger("msal").setLevel(logging.CRITICAL + 1)  # it logs answers that it cannot read, tokens and all
        # The answer comes with the browser's own GET: a form post from elsewhere would not bring the cookie (Lax).
        warnings.filterwarnings("ignore", message="response_mode=", module="msal")
        self._authorities = authorities
        self._timeout = timeout
        self._threads = ThreadPoolExecutor(THREADS, "oauth")

    def asked(self, application: Application, where: str, *, delegated: bool = False) -> Asked:
        """A question. Raises AuthorityRefused, ConfigurationError before anything is sent."""
        place = self._authorities.place(application.authority, application.tenant, where)
        return Asked(application, place, where, self._timeout, delegated)

    async def run(self, question: Callable[[], T], where: str, patience: float | None = PATIENCE) -> T:
        """The answer. Raises what the question raises, and ProviderUnavailable if it takes too long.

        Without `patience` it takes what the requests' own deadlines let it take: no answer is lost.
        """
        work = asyncio.get_running_loop().run_in_executor(self._threads, question)
        try:
            async with asyncio.timeout(patience):
                return await work
        except TimeoutError:
            raise ProviderUnavailable("the identity server does not answer in time", where=where) from None

    def close(self) -> None:
        """Take no more work; threads end with their requests."""
        self._threads.shutdown(wait=False, cancel_futures=True)


def empty_cache() -> Cache:
    """A token cache that can be kept."""
    return cast(Cache, msal.SerializableTokenCache())


def access_tokens(cache: Cache) -> list[Mapping[str, str]]:
    """Those in a cache."""
    return list(cache.search(msal.TokenCache.CredentialType.ACCESS_TOKEN))


def refresh_tokens(cache: Cache) -> list[Mapping[str, str]]:
    """Those in a cache."""
    return list(cache.search(msal.TokenCache.CredentialType.REFRESH_TOKEN))


def json_of(text: str) -> Answer:
    """A JSON object; empty for anything else."""
    try:
        found: object = json.loads(text)
    except ValueError:
        return {}
    return cast(Answer, found) if isinstance(found, dict) else {}


def _client(application: Application, place: Place, http: IdentityHttp, cache: Cache | None) -> Client:
    secret = application.client_secret
    common: dict[str, Any] = {
        "authority": place.url,
        "validate_authority": False,
        "instance_discovery": False,
        "token_cache": cache,
        "http_client": http,
    }
    if secret is None:
        return cast(Client, msal.PublicClientApplication(application.client_id, **common))
    confidential = msal.ConfidentialClientApplication(
        application.client_id, client_credential=secret.get_secret_value(), azure_region=False, **common
    )
    return cast(Client, confidential)
