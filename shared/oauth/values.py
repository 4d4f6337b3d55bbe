"""What is asked for and what is given: values only."""

from dataclasses import dataclass
from datetime import datetime

from pydantic import SecretStr


@dataclass(frozen=True, slots=True)
class Application:
    """Who asks: an application registered at a tenant."""

    tenant: str
    client_id: str
    client_secret: SecretStr
    authority: str


@dataclass(frozen=True, slots=True)
class Token:
    """An access token. `fresh`: it was fetched for this very call, so that fetching it again would change nothing.

    `roles` are the application permissions in it; None if it does not tell (opaque, or not Microsoft's).
    """

    secret: SecretStr
    expires_at: datetime
    fresh: bool
    roles: frozenset[str] | None = None
