"""THE messages between stages, in the order a mail meets them.

A compatible change is an optional field at the end. Anything else is a new version with an upcast from the old one
and a golden file of it in tests/contract/golden.
"""

from datetime import datetime
from typing import ClassVar

from pydantic import BaseModel, ConfigDict

from shared.domain.decision import Classification, Overruling, Step
from shared.domain.email import Email
from shared.domain.mailbox import Module


class Message(BaseModel):
    """What every message carries. Unknown fields are ignored, so that an older reader understands a newer writer."""

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)

    TYPE: ClassVar[str]
    VERSION: ClassVar[int] = 1

    mail_id: str
    mailbox: str
    received_at: datetime
    """The server's INTERNALDATE."""
    fetched_at: datetime
    decision_version: int = 1
    """Which version of the decision this journey leads to: a replay of a rejected mail leads to the next."""
    imported: bool = False
    """It is from before its mailbox began, and was asked for: nobody waits for an answer to it."""


class EmailFetched(Message):
    """A mail is ours: raw and ledger are durable. `raw` is None if the mail travels by reference to the raw store.

    `overruling`: somebody ordered that the filter lets it pass.
    """

    TYPE: ClassVar[str] = "email.fetched"

    size: int
    raw: bytes | None = None
    overruling: Overruling | None = None


class EmailAccepted(Message):
    """A mail passed the filter. `duplicate_of` names the mail it repeats, where the mailbox wants no duplicates."""

    TYPE: ClassVar[str] = "email.accepted"

    module: Module
    mailbox_revision: int
    email: Email
    trace: tuple[Step, ...] = ()
    duplicate_of: str | None = None


class EmailClassified(EmailAccepted):
    """A mail has its place in the catalogue."""

    TYPE: ClassVar[str] = "email.classified"

    catalogue_revision: int
    classification: Classification


MESSAGES: tuple[type[Message], ...] = (EmailFetched, EmailAccepted, EmailClassified)
"""Every message there is, in pipeline order."""
