"""A person signs in to Microsoft for a mailbox: in a browser (authorization code with PKCE, RFC 7636), or by a code
that is typed in elsewhere (RFC 8628). Keeps nothing; gives what is to be kept.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

from pydantic import SecretStr

from shared.oauth.authorities import Authorities, origin_of
from shared.oauth.door import Answer, Asked, Cache, Door, Flow, empty_cache, json_of, refresh_tokens
from shared.oauth.errors import AuthorityRefused, SignInRefused
from shared.oauth.values import Application, Granted

PERMISSION = "imap.accessasuser.all"
_WAITING = frozenset({"authorization_pending", "slow_down"})


@dataclass(frozen=True, slots=True)
class Begun:
    """Where the browser is sent, and what must be remembered until it comes back."""

    url: str
    flow: SecretStr


@dataclass(frozen=True, slots=True)
class DeviceCode:
    """The code that a person types in at an address; `seconds` until it is worth nothing."""

    user_code: str
    address: str
    seconds: int
    flow: Flow

    @property
    def interval(self) -> float:
        """Seconds to wait between two questions; the server may make it longer."""
        return float(self.flow["interval"])


class PersonSignIn:
    """Sign-ins of people. Raises SignInRefused, ProviderUnavailable, ProviderUntrusted, AuthorityRefused."""

    def __init__(self, authorities: Authorities, timeout: float = 10) -> None:
        self._door = Door(authorities, timeout)

    def close(self) -> None:
        """Take no more work."""
        self._door.close()

    def places(self, application: Application, where: str) -> frozenset[str]:
        """The origins that a browser may be sent to."""
        return self._door.asked(application, where, delegated=True).place.origins

    async def begin(self, application: Application, where: str, redirect: str, state: str) -> Begun:
        """Where to send the browser. It comes back to `redirect` with `state`."""
        asked = self._door.asked(application, where, delegated=True)
        flow = await self._door.run(lambda: _begin(asked, redirect, state), where)
        url = str(flow.pop("auth_uri"))
        if origin_of(url) not in asked.place.origins:
            raise AuthorityRefused("the identity server sends people to another place", where=where)
        return Begun(url, SecretStr(json.dumps(flow)))

    async def finish(self, application: Application, where: str, flow: SecretStr, answer: Mapping[str, str]) -> Granted:
        """What came of it. `answer` are the parameters that the browser brought back."""
        asked, cache = self._door.asked(application, where, delegated=True), empty_cache()
        remembered = dict(json_of(flow.get_secret_value()))
        found = await self._door.run(lambda: _finish(asked, cache, remembered, dict(answer)), where)
        return _granted(asked, found, cache)

    async def device(self, application: Application, where: str) -> DeviceCode:
        """A code to be typed in elsewhere. The client secret is not used: this is for public clients."""
        asked = self._door.asked(application.public, where, delegated=True)
        flow = await self._door.run(lambda: _device(asked), where)
        address = str(flow.get("verification_uri", ""))
        if "user_code" not in flow:
            raise asked.refusal(flow) if "error" in flow else asked.senseless()
        if not address.startswith("https://"):
            raise AuthorityRefused("the identity server sends people to an unprotected place", where=where)
        flow["interval"] = max(1, int(flow["interval"]))
        return DeviceCode(str(flow["user_code"]), address, int(flow["expires_in"]), flow)

    async def device_answer(self, application: Application, where: str, code: DeviceCode) -> Granted | None:
        """What came of it; None if nobody has signed in yet: ask again after `code.interval`."""
        asked, cache = self._door.asked(application.public, where, delegated=True), empty_cache()
        found = await self._door.run(lambda: _device_answer(asked, cache, code.flow), where)
        return None if found.get("error") in _WAITING else _granted(asked, found, cache)


def _begin(asked: Asked, redirect: str, state: str) -> Flow:
    with asked.client() as client:
        return client.initiate_auth_code_flow(
            asked.place.delegated_scopes, redirect_uri=redirect, state=state, prompt="select_account"
        )


def _finish(asked: Asked, cache: Cache, flow: Flow, answer: dict[str, Any]) -> Answer:
    with asked.client(cache) as client:
        return client.acquire_token_by_auth_code_flow(flow, answer)


def _device(asked: Asked) -> Flow:
    with asked.client() as client:
        return client.initiate_device_flow(scopes=asked.place.delegated_scopes)


def _device_answer(asked: Asked, cache: Cache, flow: Flow) -> Answer:
    with asked.client(cache) as client:
        return client.acquire_token_by_device_flow(flow, exit_condition=lambda _: True)


def _granted(asked: Asked, answer: Answer, cache: Cache) -> Granted:
    """Checks that what was granted can be used, and for how long anybody likes."""
    if "access_token" not in answer:
        raise asked.refusal(answer) if "error" in answer else asked.senseless()
    scope = answer.get("scope")
    if isinstance(scope, str) and PERMISSION not in scope.lower():
        raise _useless(asked, "the application may not read mail by IMAP on behalf of the person")
    account = _account(answer)
    if not account or not refresh_tokens(cache):
        raise _useless(asked, "the identity server does not tell who signed in, or lets nobody stay signed in")
    return Granted(account, SecretStr(cache.serialize()), public=asked.application.client_secret is None)


def _account(answer: Answer) -> str:
    claims: object = answer.get("id_token_claims")
    found = cast(Mapping[str, object], claims if isinstance(claims, dict) else {})
    name = str(found.get("preferred_username") or found.get("upn") or found.get("sub") or "")
    return "".join(ch if ch.isprintable() else "?" for ch in name)[:254]


def _useless(asked: Asked, what: str) -> SignInRefused:
    remedy = (
        "add the delegated permissions IMAP.AccessAsUser.All, SMTP.Send, offline_access, openid and profile to the app "
        "registration, then sign in again"
    )
    return SignInRefused(what, where=asked.where, remedy=remedy, code="oauth_consent_missing")
