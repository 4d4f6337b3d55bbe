"""Signing people in at an OpenID provider: the one door to Authlib. Authorization code, PKCE (S256), nonce, state.

Whoever calls keeps state, nonce and verifier; nothing of a sign-in is kept here. Must never log a code or a token.
https://openid.net/specs/openid-connect-core-1_0.html, RFC 7636.
"""

import ssl
import warnings
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, cast

import httpx
from pydantic import SecretStr

from shared.domain.errors import AutomatorError, ConfigurationError, Permanent, Transient

ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "ES256", "ES384", "EdDSA")
"""Signatures of an ID token that are believed: by the provider's own key, never by a shared one or none."""


class _Client(Protocol):
    """What is used of Authlib's client."""

    server_metadata: dict[str, Any]

    async def load_server_metadata(self) -> dict[str, Any]: ...
    async def create_authorization_url(self, redirect_uri: str, **more: str) -> Mapping[str, str]: ...
    async def fetch_access_token(self, redirect_uri: str, **more: str) -> Mapping[str, Any]: ...
    async def parse_id_token(
        self, token: Mapping[str, Any], nonce: str, claims_options: Mapping[str, Any]
    ) -> Mapping[str, Any] | None: ...


@dataclass(frozen=True, slots=True)
class OpenIdClient:
    """Who we are at which provider. `ca_file` is trusted for it in place of the usual authorities;
    `timeout` is in seconds, for each request."""

    issuer: str
    client_id: str
    client_secret: SecretStr
    scopes: str
    ca_file: Path | None = None
    timeout: float = 10


class OpenIdProvider:
    """The provider."""

    def __init__(self, ours: OpenIdClient) -> None:
        self._issuer, self._client_id = ours.issuer, ours.client_id
        self._client = cast(
            "_Client",
            _authlib().register(
                "console",
                client_id=ours.client_id,
                client_secret=ours.client_secret.get_secret_value(),
                server_metadata_url=f"{ours.issuer.rstrip('/')}/.well-known/openid-configuration",
                client_kwargs={
                    "scope": ours.scopes,
                    "code_challenge_method": "S256",
                    "verify": _trust(ours.ca_file),
                    "timeout": ours.timeout,
                },
            ),
        )

    @property
    def issuer(self) -> str:
        """Who vouches."""
        return self._issuer

    async def leave(self, redirect: str, *, state: str, nonce: str, verifier: str) -> str:
        """Where the browser is sent. Raises Transient, ConfigurationError."""
        with _speaking(self._issuer):
            await self._know()
            made = await self._client.create_authorization_url(
                redirect, state=state, nonce=nonce, code_verifier=verifier
            )
        return made["url"]

    async def arrive(self, redirect: str, code: str, *, nonce: str, verifier: str) -> Mapping[str, Any]:
        """The claims of the ID token that a code is good for. Raises Permanent, Transient, ConfigurationError."""
        options = {
            "iss": {"essential": True, "value": self._issuer},
            "aud": {"essential": True, "value": self._client_id},
        }
        with _speaking(self._issuer):
            await self._know()
            token = await self._client.fetch_access_token(redirect, code=code, code_verifier=verifier)
            claims = await self._client.parse_id_token(token, nonce, options)
        if claims is None:
            raise _refused(self._issuer, "it sent no ID token")
        return claims

    async def _know(self) -> None:
        """The provider's own description, asked for once."""
        told = await self._client.load_server_metadata()
        if told.get("issuer") != self._issuer:
            raise ConfigurationError(
                "the OpenID provider calls itself by another name",
                where="MAIL_AUTOMATOR_OIDC_ISSUER",
                remedy="write the issuer exactly as it does in its openid-configuration",
                code="issuer_differs",
            )
        offered = told.get("id_token_signing_alg_values_supported") or ["RS256"]
        self._client.server_metadata["id_token_signing_alg_values_supported"] = [
            one for one in offered if one in ALGORITHMS
        ]


@contextmanager
def _speaking(issuer: str) -> Generator[None]:
    """Turn what drivers raise into errors of ours, without their texts: those may hold a code or a token."""
    try:
        yield
    except httpx.HTTPError:
        what = "the OpenID provider did not answer"
        raise Transient(what, where=issuer, remedy="try again later", code="provider_away") from None
    except AutomatorError:
        raise
    except Exception as error:  # noqa: BLE001 - Authlib lets through what its own libraries raise
        raise _refused(issuer, f"its answer was not accepted ({type(error).__name__})") from None


def _refused(issuer: str, why: str) -> Permanent:
    what = f"the OpenID provider did not sign you in: {why}"
    return Permanent(what, where=issuer, remedy="begin once more", code="openid_refused")


def _trust(ca_file: Path | None) -> ssl.SSLContext:
    """Raises ConfigurationError for a file that holds no certificates."""
    try:
        return ssl.create_default_context(cafile=str(ca_file) if ca_file else None)
    except (OSError, ssl.SSLError):
        remedy = "name a PEM file with the provider's certificate authority"
        raise ConfigurationError(
            "the CA file cannot be read", where="MAIL_AUTOMATOR_OIDC_CA_FILE", remedy=remedy
        ) from None


def _authlib() -> Any:
    """Authlib, which says on standard error that a successor of httpx is there: no news for who runs this."""
    from authlib.deprecate import AuthlibDeprecationWarning  # only here: it takes long to import

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", AuthlibDeprecationWarning)
        from authlib.integrations.starlette_client import OAuth
    return OAuth()
