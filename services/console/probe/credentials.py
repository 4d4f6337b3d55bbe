"""What a test signs in with. The seam to stored secrets and to OAuth tokens; nothing here keeps either."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol

from pydantic import SecretStr

from services.console.probe.steps import Chain
from shared.domain.errors import ConfigurationError
from shared.domain.mailbox import Mailbox
from shared.sasl.values import Kind, kind_of, own_smtp_password

Reveal = Callable[[Mailbox, str], Awaitable[SecretStr]]
"""`Secrets.reveal`: the secret of a mailbox's field, refused where it is bound to another server or user."""


class Tokens(Protocol):
    """Where access tokens come from (OAuth 2.0)."""

    async def token_for(self, mailbox: Mailbox) -> str:
        """An access token for this mailbox. Raises AutomatorError with code and remedy."""
        ...


class Credentials(Protocol):
    """What the steps ask for. Raises AutomatorError that says what to do."""

    async def password(self, mailbox: Mailbox, chain: Chain) -> SecretStr:
        """The password for this server."""
        ...

    async def token(self, mailbox: Mailbox, chain: Chain) -> str:
        """An access token, to be used at this server."""
        ...


@dataclass(frozen=True, slots=True)
class MailboxCredentials:
    """Credentials of a mailbox, stored or not yet. `reveal` refuses a stored secret for a changed server or user."""

    reveal: Reveal
    tokens: Tokens | None = None

    async def password(self, mailbox: Mailbox, chain: Chain) -> SecretStr:
        """The password for this server. Raises ConfigurationError."""
        own = chain is Chain.SMTP and own_smtp_password(mailbox.spec)
        return await self.reveal(mailbox, "smtp.password" if own else "auth.password")

    async def token(self, mailbox: Mailbox, chain: Chain) -> str:
        """An access token, to be used at this server. Raises ConfigurationError where nobody gives tokens."""
        if self.tokens is None:
            raise ConfigurationError(
                "Microsoft sign-in is not available here",
                where=f"mailbox {mailbox.name}",
                remedy="test it from the console",
                code="token_unavailable",
            )
        return await self.tokens.token_for(mailbox)


def uses_token(mailbox: Mailbox, chain: Chain) -> bool:
    """Whether this server is signed in to with an access token."""
    return kind_of(mailbox.spec, chain.value) is Kind.TOKEN


def user_of(mailbox: Mailbox, chain: Chain) -> str:
    """Who signs in to this server."""
    return mailbox.spec.login if chain is Chain.IMAP else mailbox.spec.smtp_login
