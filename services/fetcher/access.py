"""Opens a mailbox by its authentication type: with its password, or with an access token.

A token that the server refuses is thrown away; if it was an old one, a new one is tried at once.
"""

from services.fetcher.errors import AuthenticationRejected, SignInNeeded, Throttled
from services.fetcher.ports import Connect, ImapSession, PersonTokens, Secrets, Tokens
from shared.domain.mailbox import Mailbox, OAuth2MicrosoftAuth
from shared.oauth import errors as oauth
from shared.oauth.applications import application_of
from shared.oauth.errors import ProviderUnavailable, SignInRefused
from shared.oauth.values import Token
from shared.observability.metrics import Metrics
from shared.sasl.values import Kind, kind_of

PERMISSION = "IMAP.AccessAsApp"


class Access:
    """How mailboxes are opened in this process. `tokens` are applications', `people` those of signed-in persons."""

    def __init__(
        self, connect: Connect, secrets: Secrets, tokens: Tokens, people: PersonTokens, metrics: Metrics
    ) -> None:
        self._connect = connect
        self._secrets = secrets
        self._tokens = tokens
        self._people = people
        self._metrics = metrics

    async def open(self, mailbox: Mailbox) -> ImapSession:
        """A logged-in session. Raises the errors of `services.fetcher.errors` and of `shared.oauth.errors`; an identity
        server's refusal is an AuthenticationRejected like the mail server's."""
        spec = mailbox.spec
        if isinstance(spec.auth, OAuth2MicrosoftAuth):
            return await self._with_token(mailbox, spec.auth)
        password = await self._secrets.reveal(mailbox, "auth.password")
        return await self._connect(spec.imap, spec.login, password, kind=kind_of(spec, "imap"))

    async def _with_token(self, mailbox: Mailbox, auth: OAuth2MicrosoftAuth) -> ImapSession:
        token = await self._token(mailbox, auth)
        try:
            return await self._sign_in(mailbox, token)
        except AuthenticationRejected as error:
            if error.code == "no_common_mechanism":
                raise
            self._forget(mailbox, token)
            if token.fresh:
                raise _explained(mailbox, error, token) from None
        fresh = await self._token(mailbox, auth)
        try:
            return await self._sign_in(mailbox, fresh)
        except AuthenticationRejected as error:
            self._forget(mailbox, fresh)
            raise _explained(mailbox, error, fresh) from None

    async def _sign_in(self, mailbox: Mailbox, token: Token) -> ImapSession:
        spec = mailbox.spec
        return await self._connect(spec.imap, spec.login, token.secret, kind=Kind.TOKEN)

    def _forget(self, mailbox: Mailbox, token: Token) -> None:
        if mailbox.spec.delegated is None:
            self._tokens.forget(mailbox.name)
        else:
            self._people.forget(mailbox.name, token)

    async def _token(self, mailbox: Mailbox, auth: OAuth2MicrosoftAuth) -> Token:
        application = await application_of(mailbox, auth, self._secrets.reveal)
        try:
            if mailbox.spec.delegated is None:
                token = await self._tokens.application_token(mailbox.name, application)
            else:
                token = await self._people.token(mailbox, application)
        except SignInRefused as error:
            kind = SignInNeeded if isinstance(error, oauth.SignInNeeded) else AuthenticationRejected
            raise kind(error.what, where=error.where, remedy=error.remedy, code=error.code) from None
        except ProviderUnavailable as error:
            if not error.seconds:
                raise
            raise Throttled(error.what, seconds=error.seconds, where=error.where, remedy=error.remedy) from None
        self._metrics.oauth_token_expiry.labels(mailbox.name).set(token.expires_at.timestamp())
        return token


def _explained(mailbox: Mailbox, error: AuthenticationRejected, token: Token) -> AuthenticationRejected:
    """The refusal, with the reason where the token itself shows it; other words where a person signed in."""
    if mailbox.spec.delegated is not None and error.code == "token_refused":
        remedy = (
            "the account that signed in needs full access to this mailbox (Add-MailboxPermission), and the mailbox "
            "needs IMAP switched on (Set-CASMailbox -ImapEnabled $true); or sign in as another account"
        )
        return AuthenticationRejected(error.what, where=error.where, remedy=remedy, code=error.code)
    if token.roles is None or PERMISSION in token.roles:
        return error
    return AuthenticationRejected(
        f"the access token lacks the permission {PERMISSION}; {error.what}",
        where=error.where,
        remedy=f"add the application permission {PERMISSION} of Office 365 Exchange Online, then Grant admin consent",
        code="oauth_consent_missing",
    )
