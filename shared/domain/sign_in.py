"""A person's sign-in to Microsoft on behalf of a mailbox: who, since when, and whether it still works. Pure."""

from datetime import datetime

from pydantic import SecretStr

from shared.domain.mailbox import Mailbox
from shared.domain.value import Value

NEEDED = "sign_in_needed"
"""The code of a mailbox for which somebody must sign in (again)."""


class Lack(Value):
    """Why somebody must sign in: a code for machines, a sentence and a remedy for people."""

    code: str = NEEDED
    sentence: str
    remedy: str


class SignIn(Value):
    """How a mailbox is signed in. Without `lack` it works.

    `rev` changes with every write and is never used twice; `first_rev` is the `rev` that the sign-in began with, so it
    changes only when a person signs in. 0: nobody ever did. `public`: it was made without the client secret, and is
    kept up without it.
    """

    account: str = ""
    by: str = ""
    signed_in_at: datetime | None = None
    rev: int = 0
    first_rev: int = 0
    public: bool = False
    lack: Lack | None = None

    @property
    def needed(self) -> bool:
        """Whether somebody must sign in before the mailbox can be read."""
        return self.lack is not None


class OpenSignIn(SignIn):
    """A sign-in with what its tokens are made of."""

    cache: SecretStr


def remedy(mailbox: str) -> str:
    """How somebody signs in."""
    return (
        f"sign in: mail-automator mailbox sign-in {mailbox}, or POST /api/v1/mailboxes/{mailbox}/sign-in and open "
        "the link it gives"
    )


def nobody(mailbox: Mailbox) -> SignIn:
    """Before the first sign-in, and after it was forgotten."""
    return SignIn(lack=Lack(sentence="nobody has signed in for this mailbox yet", remedy=remedy(mailbox.name)))


def elsewhere(mailbox: Mailbox) -> Lack:
    """The sign-in was for another server, user or application."""
    sentence = "the mail server, the address or the application is another one than when somebody signed in"
    return Lack(sentence=sentence, remedy=remedy(mailbox.name))
