"""What is asked for and what is given: values only."""

from dataclasses import dataclass, replace
from datetime import datetime

from pydantic import SecretStr


@dataclass(frozen=True, slots=True)
class Application:
    """Who asks: an application registered at a tenant. Without a secret it is a public client."""

    tenant: str
    client_id: str
    client_secret: SecretStr | None
    authority: str

    @property
    def public(self) -> "Application":
        """The same application without its secret."""
        return replace(self, client_secret=None)


@dataclass(frozen=True, slots=True)
class Token:
    """An access token. `fresh`: it was fetched for this very call, so that fetching it again would change nothing.

    `roles` are the application permissions in it; None if it does not tell (opaque, or not Microsoft's).
    """

    secret: SecretStr
    expires_at: datetime
    fresh: bool
    roles: frozenset[str] | None = None


@dataclass(frozen=True, slots=True)
class Granted:
    """What a person's sign-in gave: who it was, and msal's token cache. `public`: without the client secret."""

    account: str
    cache: SecretStr
    public: bool
