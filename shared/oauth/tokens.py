"""Access tokens for mailboxes, fetched when needed and kept until shortly before they expire. In memory only.

msal blocks, even in its constructor (library-notes): it runs in threads of our own, so that a hanging identity server
takes nothing from the rest of the process.
"""

import asyncio
import base64
import binascii
import json
import logging
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Protocol, cast

import msal  # pyright: ignore[reportMissingTypeStubs]  # it has none; `_Msal` says what we use
from pydantic import SecretStr

from shared.oauth.authorities import Authorities, Place
from shared.oauth.errors import ProviderUnavailable
from shared.oauth.http import IdentityHttp
from shared.oauth.refusals import refusal, tenant_refused
from shared.oauth.values import Application, Token

SCOPE = "https://outlook.office365.com/.default"
EARLY = timedelta(minutes=5)
"""A token is replaced so long before it expires."""
PATIENCE = 30.0
"""Seconds for one token: discovery and request together."""
THREADS = 8
_EXCHANGE = frozenset({"https://outlook.office365.com", "00000002-0000-0ff1-ce00-000000000000"})
"""Audiences of tokens for Exchange Online, whose permissions we can name."""


class Clock(Protocol):
    """Wall clock, UTC."""

    def now(self) -> datetime: ...


class _Msal(Protocol):
    """The part of msal that is used."""

    def acquire_token_for_client(self, scopes: list[str]) -> Mapping[str, object]: ...


@dataclass(frozen=True, slots=True)
class _Kept:
    """A token, and who it was fetched for: changed credentials never get the old one."""

    application: Application
    token: Token


class MicrosoftTokens:
    """The tokens of this process. One request per mailbox at a time; whoever comes meanwhile waits for its result."""

    def __init__(self, authorities: Authorities, clock: Clock, timeout: float = 10) -> None:
        logging.getLogger("msal").setLevel(logging.WARNING)
        self._authorities = authorities
        self._clock = clock
        self._timeout = timeout
        self._threads = ThreadPoolExecutor(THREADS, "oauth")
        self._kept: dict[str, _Kept] = {}
        self._turns: dict[str, asyncio.Lock] = {}

    async def application_token(self, mailbox: str, application: Application) -> Token:
        """A token by client credentials (RFC 6749 section 4.4) that is good for a while.

        Raises SignInRefused, ProviderUnavailable, ProviderUntrusted, AuthorityRefused, ConfigurationError.
        """
        async with self._turns.setdefault(mailbox, asyncio.Lock()):
            kept = self._kept.get(mailbox)
            token = kept.token if kept is not None and kept.application == application else None
            now = self._clock.now()
            if token is not None and now < token.expires_at - EARLY:
                return token
            try:
                fresh = await self._fetched(mailbox, application, now)
            except ProviderUnavailable:
                if token is not None and now < token.expires_at:
                    return token
                raise
            self._kept[mailbox] = _Kept(application, replace(fresh, fresh=False))
            return fresh

    def forget(self, mailbox: str) -> None:
        """The kept token is of no use: the next one is fetched anew."""
        self._kept.pop(mailbox, None)

    def close(self) -> None:
        """Take no more work; threads end with their requests."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def _fetched(self, mailbox: str, application: Application, now: datetime) -> Token:
        where = f"mailbox {mailbox}, {application.authority}"
        place = self._authorities.place(application.authority, application.tenant, where)
        loop = asyncio.get_running_loop()
        work = loop.run_in_executor(self._threads, _ask, place, application, self._timeout, where)
        try:
            async with asyncio.timeout(PATIENCE):
                answer = await work
        except TimeoutError:
            raise ProviderUnavailable("the identity server does not answer in time", where=where) from None
        return _token(answer, application, now, where)


def _ask(place: Place, application: Application, timeout: float, where: str) -> Mapping[str, object]:
    """msal's answer: a token or an error. Blocks."""
    http = IdentityHttp(place, timeout, where)
    try:
        client = cast(
            _Msal,
            msal.ConfidentialClientApplication(
                application.client_id,
                client_credential=application.client_secret.get_secret_value(),
                authority=place.url,
                validate_authority=False,
                instance_discovery=False,
                azure_region=False,
                http_client=http,
            ),
        )
        return client.acquire_token_for_client(scopes=[SCOPE])
    except (ValueError, KeyError, TypeError):
        # msal says "unable to get authority configuration" and drops the server's own words; its texts are not shown.
        answer = _json(http.refused)
        if "error" in answer:
            raise refusal(answer, application, where) from None
        raise (tenant_refused(where) if http.refused else _senseless(where)) from None


def _token(answer: Mapping[str, object], application: Application, now: datetime, where: str) -> Token:
    secret, seconds = answer.get("access_token"), answer.get("expires_in")
    if not isinstance(secret, str):
        raise refusal(answer, application, where) if "error" in answer else _senseless(where)
    life = timedelta(seconds=int(seconds) if isinstance(seconds, int | str) and str(seconds).isdigit() else 3600)
    return Token(SecretStr(secret), now + life, fresh=True, roles=_roles(secret))


def _senseless(where: str) -> ProviderUnavailable:
    return ProviderUnavailable("the identity server's answer makes no sense", where=where)


def _roles(token: str) -> frozenset[str] | None:
    """The claim `roles` of a JSON web token for Exchange Online, unverified: to explain refusals."""
    parts = token.split(".")
    if len(parts) != 3:
        return None
    try:
        claims = _json(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)).decode())
    except (binascii.Error, ValueError):
        return None
    if not _EXCHANGE.intersection(_audiences(claims)):
        return None
    roles = claims.get("roles", [])
    return frozenset(str(role) for role in cast(list[object], roles)) if isinstance(roles, list) else frozenset()


def _audiences(claims: Mapping[str, object]) -> frozenset[str]:
    audience = claims.get("aud")
    return frozenset((audience.rstrip("/"),)) if isinstance(audience, str) else frozenset()


def _json(text: str) -> Mapping[str, object]:
    try:
        found: object = json.loads(text)
    except ValueError:
        return {}
    return cast(Mapping[str, object], found) if isinstance(found, dict) else {}
