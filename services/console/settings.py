"""Where the console listens, what browsers call it, and who vouches for people besides itself."""

from collections.abc import Mapping
from ipaddress import ip_address
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from shared.domain.access import Role
from shared.domain.errors import ConfigurationError


class ConsoleSettings(BaseSettings):
    """The API's own address; the admin port (health, metrics) is another. Port 0 takes a free one and logs it.

    `public_url` is what browsers call the console, for example `https://desk.example/mail`: from Microsoft they come
    back to `{public_url}/sign-in/callback`. Without it that is `http://localhost` and the port, on this machine only.
    `proxies` is how many proxies of yours stand before it: the address of a visitor is told by the first of them.
    """

    model_config = SettingsConfigDict(env_prefix="MAIL_AUTOMATOR_CONSOLE_", frozen=True, hide_input_in_errors=True)

    host: str = "127.0.0.1"
    port: int = Field(default=8080, ge=0, le=65535)
    public_url: str = ""
    proxies: int = Field(default=0, ge=0, le=10)

    @field_validator("public_url")
    @classmethod
    def _is_an_address(cls, given: str) -> str:
        url = urlsplit(given)
        plain = url.scheme == "http" and is_loopback(url.hostname or "")
        if given and (not (plain or url.scheme == "https") or not url.hostname or url.query or url.fragment):
            raise ValueError("must be an https address without query (http only for this machine)")
        return given.rstrip("/")

    def known_as(self, port: int) -> str | None:
        """What browsers call a console that listens on that port; None if nobody can tell."""
        if self.public_url:
            return self.public_url
        return f"http://localhost:{port}" if is_loopback(self.host) else None


class OidcSettings(BaseSettings):
    """Signing in to the console at an OpenID provider; off without an `issuer`. The provider lets people come back to
    `{public_url}/openid/callback`. `client_secret_file` holds the client's secret; `ca_file` is trusted for this
    provider in place of the usual authorities; `title` is what the button says. `role_claim` names the claim with a
    person's groups, and `roles` (JSON) which groups make which role: `{"administrator": ["it"], "viewer": ["staff"]}`.
    The highest one counts; who is in none of them gets `default_role`, or without that is not let in.
    """

    model_config = SettingsConfigDict(env_prefix="MAIL_AUTOMATOR_OIDC_", frozen=True, hide_input_in_errors=True)

    issuer: str = Field(default="", pattern=r"^(https://\S+)?$")
    client_id: str = ""
    client_secret_file: Path | None = None
    scopes: str = "openid profile email"
    ca_file: Path | None = None
    title: str = "OpenID Connect"
    role_claim: str = "groups"
    roles: dict[Role, tuple[str, ...]] = Field(default_factory=dict[Role, tuple[str, ...]])
    default_role: Role | None = None

    def role_of(self, claims: Mapping[str, Any]) -> Role | None:
        """What the groups of a person make of them; None if the person is not to be let in."""
        told: Any = claims.get(self.role_claim, ())
        groups = {told} if isinstance(told, str) else set(cast("list[str]", told) if isinstance(told, list) else ())
        fitting = [role for role in Role if groups & set(self.roles.get(role, ()))]
        return fitting[-1] if fitting else self.default_role

    def secret(self) -> SecretStr:
        """The client's secret. Raises ConfigurationError."""
        remedy = "name a file that holds the secret which the provider gave this client"
        where = "MAIL_AUTOMATOR_OIDC_CLIENT_SECRET_FILE"
        try:
            secret = self.client_secret_file.read_text().strip() if self.client_secret_file else ""
        except (OSError, UnicodeDecodeError):
            raise ConfigurationError("the client secret cannot be read", where=where, remedy=remedy) from None
        if not self.client_id or not secret:
            what = "an OpenID provider needs a client id and a client secret"
            raise ConfigurationError(what, where="MAIL_AUTOMATOR_OIDC_CLIENT_ID", remedy=remedy)
        return SecretStr(secret)


def is_loopback(host: str) -> bool:
    """Whether a host is this machine, and only it."""
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False
