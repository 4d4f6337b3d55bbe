"""Access tokens of applications, fetched when needed and kept until shortly before they expire. In memory only."""

import asyncio
import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Protocol, cast

from pydantic import SecretStr

from shared.oauth.authorities import RESOURCES, Authorities
from shared.oauth.door import Answer, Asked, Door, json_of
from shared.oauth.errors import ProviderUnavailable
from shared.oauth.values import Application, Token

EARLY = timedelta(minutes=5)
"""A token is replaced so long before it expires."""
_EXCHANGE = frozenset({*RESOURCES.values(), "00000002-0000-0ff1-ce00-000000000000"})
"""Audiences of tokens for Exchange Online, whose permissions we can name."""


class Clock(Protocol):
    """Wall clock, UTC."""

    def now(self) -> datetime: ...


@dataclass(frozen=True, slots=True)
class _Kept:
    """A token, and who it was fetched for: changed credentials never get the old one."""

    application: Application
    token: Token


class MicrosoftTokens:
    """The tokens of this process. One request per mailbox at a time; whoever comes meanwhile waits for its result."""

    def __init__(self, authorities: Authorities, clock: Clock, timeout: float = 10) -> None:
        self._door = Door(authorities, timeout)
        self._clock = clock
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
        self._door.close()

    async def _fetched(self, mailbox: str, application: Application, now: datetime) -> Token:
        where = f"mailbox {mailbox}, {application.authority}"
        asked = self._door.asked(application, where)
        answer = await self._door.run(lambda: _ask(asked), where)
        return _token(answer, asked, now)


def _ask(asked: Asked) -> Answer:
    """msal's answer: a token or an error. Blocks."""
    with asked.client() as client:
        return client.acquire_token_for_client(scopes=asked.place.application_scopes)


def _token(answer: Answer, asked: Asked, now: datetime) -> Token:
    secret = answer.get("access_token")
    if not isinstance(secret, str):
        raise asked.refusal(answer) if "error" in answer else asked.senseless()
    return Token(SecretStr(secret), now + lifetime(answer), fresh=True, roles=_roles(secret))


def lifetime(answer: Answer) -> timedelta:
    """How long the token of an answer is good; an hour if it does not say."""
    seconds = answer.get("expires_in")
    return timedelta(seconds=int(seconds) if isinstance(seconds, int | str) and str(seconds).isdigit() else 3600)


def _roles(token: str) -> frozenset[str] | None:
    """The claim `roles` of a JSON web token for Exchange Online, unverified: to explain refusals."""
    parts = token.split(".")
    if len(parts) != 3:
        return None
    try:
        claims = json_of(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)).decode())
    except (binascii.Error, ValueError):
        return None
    if not _EXCHANGE.intersection(_audiences(claims)):
        return None
    roles = claims.get("roles", [])
    return frozenset(str(role) for role in cast(list[object], roles)) if isinstance(roles, list) else frozenset()


def _audiences(claims: Mapping[str, object]) -> frozenset[str]:
    audience = claims.get("aud")
    return frozenset((audience.rstrip("/"),)) if isinstance(audience, str) else frozenset()
