"""What a test signs in with. The seam to stored secrets and to OAuth tokens; nothing here keeps either."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol

from pydantic import SecretStr

from services.console.probe.steps import Chain
from shared.domain.errors import ConfigurationError
from shared.domain.mailbox import Mailbox, SecretSource
from shared.sasl.values import Kind, kind_of, own_smtp_password

Reveal = Callable[[Mailbox, str], Awaitable[SecretStr]]
"""`Secrets.reveal`: the secret of a mailbox's field, refused where it is bound to another server or user."""
Stored = Callable[[str], Awaitable[Mailbox | None]]
"""`Mailboxes.get`: the mailbox as it is stored under a name."""


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
    """Credentials of a mailbox, stored or not yet. A stored secret never leaves for a changed server or user."""

    reveal: Reveal
    stored: Stored
    tokens: Tokens | None = None

    async def password(self, mailbox: Mailbox, chain: Chain) -> SecretStr:
        """The password for this server. Raises ConfigurationError."""
        if chain is Chain.IMAP:
            return await self.reveal(mailbox, "auth.password")
        if own_smtp_password(mailbox.spec):
            return await self.reveal(mailbox, "smtp.password")
        await self._refuse_changed_smtp(mailbox, "password")
        return await self.reveal(mailbox, "auth.password")

    async def token(self, mailbox: Mailbox, chain: Chain) -> str:
        """An access token, to be used at this server. Raises ConfigurationError where nobody gives tokens."""
        if self.tokens is None:
            raise ConfigurationError(
                "Microsoft sign-in is not available here",
                where=f"mailbox {mailbox.name}",
                remedy="test it from the console",
                code="token_unavailable",
            )
        if chain is Chain.SMTP:
            await self._refuse_changed_smtp(mailbox, "client_secret")
        return await self.tokens.token_for(mailbox)

    async def _refuse_changed_smtp(self, mailbox: Mailbox, field: str) -> None:
        """A secret of IMAP is bound to the IMAP server; for SMTP, the stored mailbox must name the same server."""
        source = getattr(mailbox.spec.auth, f"{field}_from", None)
        if not (isinstance(source, SecretSource) and source.stored):
            return
        kept = await self.stored(mailbox.name)
        if kept is None or _smtp(kept) != _smtp(mailbox):
            raise ConfigurationError(
                "the stored secret belongs to another SMTP server",
                where=f"mailbox {mailbox.name}",
                remedy="give the password or client secret again",
                code="secret_bound_elsewhere",
            )


def uses_token(mailbox: Mailbox, chain: Chain) -> bool:
    """Whether this server is signed in to with an access token."""
    return kind_of(mailbox.spec, chain.value) is Kind.TOKEN


def user_of(mailbox: Mailbox, chain: Chain) -> str:
    """Who signs in to this server."""
    smtp = mailbox.spec.smtp
    own = smtp.username if chain is Chain.SMTP and smtp is not None else None
    return own or (mailbox.spec.email if uses_token(mailbox, chain) else mailbox.spec.login)


def _smtp(mailbox: Mailbox) -> tuple[str, int, str, str | None] | None:
    smtp = mailbox.spec.smtp
    return None if smtp is None else (smtp.host, smtp.port, smtp.encryption.value, smtp.username)
