"""Access tokens for the connection test, from Microsoft. The client secret is revealed anew for every test."""

from dataclasses import dataclass
from typing import Protocol

from services.console.probe.credentials import Reveal
from shared.domain.errors import ConfigurationError
from shared.domain.mailbox import Mailbox, OAuth2MicrosoftAuth
from shared.oauth.applications import application_of
from shared.oauth.values import Application, Token


class ApplicationTokens(Protocol):
    """`MicrosoftTokens`: tokens of applications."""

    async def application_token(self, mailbox: str, application: Application) -> Token:
        """A token by client credentials. Raises AutomatorError with code and remedy."""
        ...


class PersonTokens(Protocol):
    """`DelegatedTokens`: tokens of people who signed in."""

    async def token(self, mailbox: Mailbox, application: Application, *, anyway: bool = False) -> Token:
        """A token by a person's sign-in. Raises AutomatorError with code and remedy."""
        ...


@dataclass(frozen=True, slots=True)
class MicrosoftAccess:
    """The way from a mailbox to an access token. Without a store there are no people who signed in."""

    tokens: ApplicationTokens
    reveal: Reveal
    people: PersonTokens | None = None

    async def token_for(self, mailbox: Mailbox) -> str:
        """An access token for this mailbox, at its authority. A sign-in that was refused before is tried again: a
        person wants to know whether it works by now.

        Raises ConfigurationError, also where a stored client secret belongs to another server or user; and the errors
        of shared.oauth.
        """
        auth = mailbox.spec.auth
        if not isinstance(auth, OAuth2MicrosoftAuth):
            raise ConfigurationError("this mailbox needs no token", where=f"mailbox {mailbox.name}, auth")
        application = await application_of(mailbox, auth, self.reveal)
        if mailbox.spec.delegated is None:
            token = await self.tokens.application_token(mailbox.name, application)
        elif self.people is None:
            raise ConfigurationError(
                "people's sign-ins are in the store", where=f"mailbox {mailbox.name}", remedy="test the stored mailbox"
            )
        else:
            token = await self.people.token(mailbox, application, anyway=True)
        return token.secret.get_secret_value()
