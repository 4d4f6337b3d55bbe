"""Access tokens for the connection test, from Microsoft. The client secret is revealed anew for every test."""

from dataclasses import dataclass
from typing import Protocol

from services.console.probe.credentials import Reveal
from shared.domain.errors import ConfigurationError
from shared.domain.mailbox import Mailbox, OAuth2MicrosoftAuth
from shared.oauth.values import Application, Token


class ApplicationTokens(Protocol):
    """`MicrosoftTokens`: tokens of applications."""

    async def application_token(self, mailbox: str, application: Application) -> Token:
        """A token by client credentials. Raises AutomatorError with code and remedy."""
        ...


@dataclass(frozen=True, slots=True)
class MicrosoftAccess:
    """The way from a mailbox to an access token."""

    tokens: ApplicationTokens
    reveal: Reveal

    async def token_for(self, mailbox: Mailbox) -> str:
        """An access token for this mailbox, at its authority.

        Raises ConfigurationError, also where a stored client secret belongs to another server or user; and the errors
        of shared.oauth.
        """
        auth = mailbox.spec.auth
        if not isinstance(auth, OAuth2MicrosoftAuth) or auth.flow != "application":
            raise ConfigurationError(
                "this test signs in to Microsoft as an application only",
                where=f"mailbox {mailbox.name}, auth.flow",
                remedy="use auth.flow application, with a client secret",
                code="auth_type_not_supported",
            )
        secret = await self.reveal(mailbox, "auth.client_secret")
        application = Application(auth.tenant_id, auth.client_id, secret, auth.authority)
        return (await self.tokens.application_token(mailbox.name, application)).secret.get_secret_value()
