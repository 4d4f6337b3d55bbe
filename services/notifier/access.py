"""Opens the SMTP server of a mailbox: with the identity of IMAP, unless SMTP has credentials of its own.

A token that the server refuses is thrown away; if it was an old one, a new one is tried at once.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from pydantic import SecretStr

from services.notifier.errors import AuthenticationRejected, ServerTrouble
from services.notifier.ports import Credentials, Secrets, Session, Tokens
from shared.domain.errors import ConfigurationError
from shared.domain.mailbox import Mailbox, OAuth2MicrosoftAuth, Smtp
from shared.oauth.errors import ProviderUnavailable, SignInRefused
from shared.oauth.values import Application, Token

Connect = Callable[[Smtp, Credentials], Awaitable[Session]]


@dataclass(slots=True)
class Password:
    """A user name and where its password is kept."""

    user: str
    reveal: Callable[[], Awaitable[SecretStr]]
    token: bool = False

    async def secret(self) -> SecretStr:
        """The password."""
        return await self.reveal()


@dataclass(slots=True)
class AccessToken:
    """A user and where tokens come from. `given` is the last one."""

    user: str
    fetch: Callable[[], Awaitable[Token]]
    token: bool = True
    given: Token | None = None

    async def secret(self) -> SecretStr:
        """A token that is good for a while."""
        self.given = await self.fetch()
        return self.given.secret


class Access:
    """How servers are opened in this process."""

    def __init__(self, connect: Connect, secrets: Secrets, tokens: Tokens) -> None:
        self._connect = connect
        self._secrets = secrets
        self._tokens = tokens

    async def open(self, mailbox: Mailbox) -> Session:
        """A signed-in session. Raises the errors of `services.notifier.errors`, ConfigurationError, and those of
        `shared.oauth.errors` that are none of them."""
        spec = mailbox.spec
        if spec.smtp is None:
            raise ConfigurationError(
                "no SMTP server is configured", where=f"mailbox {mailbox.name}", remedy="give smtp"
            )
        own = spec.smtp.password is not None or spec.smtp.password_from is not None
        if isinstance(spec.auth, OAuth2MicrosoftAuth) and not own:
            return await self._with_token(mailbox, spec.smtp, spec.auth)
        field = "smtp.password" if own else "auth.password"
        user = spec.smtp.username or spec.login
        return await self._connect(spec.smtp, Password(user, lambda: self._secrets.reveal(mailbox, field)))

    async def _with_token(self, mailbox: Mailbox, smtp: Smtp, auth: OAuth2MicrosoftAuth) -> Session:
        credentials = AccessToken(smtp.username or mailbox.spec.email, lambda: self._token(mailbox, auth))
        try:
            return await self._connect(smtp, credentials)
        except AuthenticationRejected as error:
            if credentials.given is None or error.code == "no_common_mechanism":
                raise
            self._tokens.forget(mailbox.name)
            if credentials.given.fresh:
                raise _explained(error) from None
        return await self._connect(smtp, credentials)

    async def _token(self, mailbox: Mailbox, auth: OAuth2MicrosoftAuth) -> Token:
        if auth.flow != "application":
            raise ConfigurationError(
                "this version signs in to Microsoft as an application only",
                where=f"mailbox {mailbox.name}, auth.flow",
                remedy="use auth.flow application, with a client secret",
                code="auth_type_not_supported",
            )
        secret = await self._secrets.reveal(mailbox, "auth.client_secret")
        application = Application(auth.tenant_id, auth.client_id, secret, auth.authority)
        try:
            return await self._tokens.application_token(mailbox.name, application)
        except SignInRefused as error:
            raise AuthenticationRejected(error.what, where=error.where, remedy=error.remedy, code=error.code) from None
        except ProviderUnavailable as error:
            raise ServerTrouble(error.what, where=error.where, remedy=error.remedy, code=error.code) from None


def _explained(error: AuthenticationRejected) -> AuthenticationRejected:
    return AuthenticationRejected(
        error.what,
        where=error.where,
        remedy="the application needs SMTP.SendAsApp with admin consent, and authenticated SMTP switched on for the "
        "mailbox (Set-CASMailbox -SmtpClientAuthenticationDisabled $false)",
        code="token_refused",
    )
