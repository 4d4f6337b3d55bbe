"""A person's sign-in for a mailbox, by browser or command line: what both need, and how it is kept. Audited."""

from services.console import changes
from shared.domain.errors import ConfigurationError, Permanent
from shared.domain.mailbox import Mailbox, OAuth2MicrosoftAuth
from shared.domain.sign_in import SignIn
from shared.oauth.applications import application_of
from shared.oauth.values import Application, Granted
from shared.store.client import Store


def delegated_of(mailbox: Mailbox) -> OAuth2MicrosoftAuth:
    """How a person signs in for this mailbox. Raises ConfigurationError if nobody has to."""
    auth = mailbox.spec.delegated
    if auth is None:
        raise ConfigurationError(
            f"nobody has to sign in for mailbox {mailbox.name}",
            where=f"mailbox {mailbox.name}, auth",
            remedy="this is for auth.type oauth2_microsoft with flow: delegated",
            code="not_delegated",
        )
    return auth


async def asking(store: Store, mailbox: Mailbox) -> tuple[Application, str]:
    """The application that a person signs in to, and what errors name as the place.

    Raises ConfigurationError if a person need not sign in, or would do so for nothing.
    """
    auth = delegated_of(mailbox)
    store.sign_ins.check_key()
    return await application_of(mailbox, auth, store.secrets.reveal), f"mailbox {mailbox.name}, {auth.authority}"


async def keep(store: Store, who: str, mailbox: Mailbox, granted: Granted) -> SignIn:
    """Keep what came of it. Raises Permanent if the mailbox was deleted meanwhile: then nothing is kept."""
    new = {"account": granted.account}
    async with changes.audited(store, who, "sign_in", "Mailbox", mailbox.name, new=new, secrets={"sign_in": "changed"}):
        kept = await store.sign_ins.put(mailbox, granted.cache, account=granted.account, by=who, public=granted.public)
        if await store.mailboxes.get(mailbox.name) is None:
            await store.sign_ins.forget(mailbox.name)
            raise Permanent(f"mailbox {mailbox.name} was deleted meanwhile", code="unknown_mailbox")
    return kept


async def forget(store: Store, who: str, mailbox: Mailbox) -> bool:
    """Forget a sign-in; False if there is none. The account itself stays signed in where it is."""
    state = await store.sign_ins.state(mailbox)
    if state.rev == 0:
        return False
    old = {"account": state.account}
    async with changes.audited(
        store, who, "sign_out", "Mailbox", mailbox.name, old=old, secrets={"sign_in": "removed"}
    ):
        return await store.sign_ins.forget(mailbox.name)


def is_own_account(mailbox: Mailbox, account: str) -> bool:
    """Whether the mailbox's own user signed in. Another one is right where the mailbox is a shared one."""
    return account.casefold() in {address.casefold() for address in mailbox.spec.addresses}
