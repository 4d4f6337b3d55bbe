"""Opens the SMTP server of a mailbox: with the identity of IMAP, unless SMTP has credentials of its own.

A token that the server refuses is thrown away; if it was an old one, a new one is tried at once.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from pydantic import SecretStr

from services.notifier.errors import AuthenticationRejected, ServerTrouble
from services.notifier.ports import Identity, PersonTokens, Secrets, Session, Tokens
from shared.domain.errors import ConfigurationError
from shared.domain.mailbox import Mailbox, OAuth2MicrosoftAuth, Smtp
from shared.oauth.applications import application_of
from shared.oauth.errors import ProviderUnavailable, SignInNeeded, SignInRefused
from shared.oauth.values import Token
from shared.sasl.values import Kind, kind_of, own_smtp_password

Connect = Callable[[Smtp, Identity], Awaitable[Session]]


@dataclass(frozen=True, slots=True)
class Person:
    """Who signs in, of which kind, and where the secret comes from."""

    user: str
    kind: Kind
    secret: Callable[[], Awaitable[SecretStr]]


class Access:
    """How servers are opened in this process. `tokens` are applications', `people` those of signed-in persons."""

    def __init__(self, connect: Connect, secrets: Secrets, tokens: Tokens, people: PersonTokens) -> None:
        self._connect = connect
        self._secrets = secrets
        self._tokens = tokens
        self._people = people

    async def open(self, mailbox: Mailbox) -> Session:
        """A signed-in session. Raises the errors of `services.notifier.errors`, ConfigurationError, and those of
        `shared.oauth.errors` that are none of them."""
        spec = mailbox.spec
        if spec.smtp is None:
            raise ConfigurationError(
                "no SMTP server is configured", where=f"mailbox {mailbox.name}", remedy="give smtp"
            )
        kind = kind_of(spec, "smtp")
        if kind is Kind.TOKEN and isinstance(spec.auth, OAuth2MicrosoftAuth):
            return await self._with_token(mailbox, spec.smtp, spec.auth)
        field = "smtp.password" if own_smtp_password(spec) else "auth.password"
        person = Person(spec.smtp.username or spec.login, kind, lambda: self._secrets.reveal(mailbox, field))
        return await self._connect(spec.smtp, person)

    async def _with_token(self, mailbox: Mailbox, smtp: Smtp, auth: OAuth2MicrosoftAuth) -> Session:
        given: list[Token] = []

        async def secret() -> SecretStr:
            given.append(await self._token(mailbox, auth))
            return given[-1].secret

        person = Person(smtp.username or mailbox.spec.email, Kind.TOKEN, secret)
        try:
            return await self._connect(smtp, person)
        except AuthenticationRejected:
            if not given:
                raise
            self._forget(mailbox, given[-1])
            if given[-1].fresh:
                raise
        return await self._connect(smtp, person)

    async def _token(self, mailbox: Mailbox, auth: OAuth2MicrosoftAuth) -> Token:
        application = await application_of(mailbox, auth, self._secrets.reveal)
        try:
            if mailbox.spec.delegated is None:
                return await self._tokens.application_token(mailbox.name, application)
            return await self._people.token(mailbox, application)
        except SignInRefused as error:
            # Nobody's account is locked while it waits for its person, so it may be looked at more often.
            kind = ServerTrouble if isinstance(error, SignInNeeded) else AuthenticationRejected
            raise kind(error.what, where=error.where, remedy=error.remedy, code=error.code) from None
        except ProviderUnavailable as error:
            raise ServerTrouble(error.what, where=error.where, remedy=error.remedy, code=error.code) from None

    def _forget(self, mailbox: Mailbox, token: Token) -> None:
        if mailbox.spec.delegated is None:
            self._tokens.forget(mailbox.name)
        else:
            self._people.forget(mailbox.name, token)
