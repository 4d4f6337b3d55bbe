"""From a mailbox to the application that asks for its tokens."""

from collections.abc import Awaitable, Callable

from pydantic import SecretStr

from shared.domain.mailbox import Mailbox, OAuth2MicrosoftAuth
from shared.oauth.values import Application

Reveal = Callable[[Mailbox, str], Awaitable[SecretStr]]
"""`Secrets.reveal`: the secret of a mailbox's field, refused where it is bound to another server or user."""


async def application_of(mailbox: Mailbox, auth: OAuth2MicrosoftAuth, reveal: Reveal) -> Application:
    """The application, with its secret if it has one. Raises ConfigurationError if a secret is wanted and cannot be
    had: an application that signs in by itself always wants it."""
    wanted = auth.has_client_secret or auth.flow == "application"
    secret = await reveal(mailbox, "auth.client_secret") if wanted else None
    return Application(auth.tenant_id, auth.client_id, secret, auth.authority)
