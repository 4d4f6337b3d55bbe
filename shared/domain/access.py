"""Who may do what through the console, and what is kept of each change. Pure; never holds a secret."""

from datetime import datetime
from enum import StrEnum
from typing import Any, Literal

from pydantic import Field

from shared.domain.value import Value


class Role(StrEnum):
    """What a person or program may do; each role may do all that those before it may.

    `viewer` reads; `operator` also pauses, resumes and tests mailboxes, downloads raw mail, and replays and discards
    mail; `editor` also changes mailboxes and the catalogue; `administrator` also reads the audit log, makes API tokens,
    and lets a mailbox read its secret from a file or a variable.
    """

    VIEWER = "viewer"
    OPERATOR = "operator"
    EDITOR = "editor"
    ADMINISTRATOR = "administrator"

    def covers(self, least: "Role") -> bool:
        """Whether this role may do what needs at least `least`."""
        order = tuple(Role)
        return order.index(self) >= order.index(least)


class ApiToken(Value):
    """What is known of an API token. Never the token itself: of its secret only a hash is kept, in the store."""

    token_id: str
    name: str
    role: Role
    created_by: str
    created_at: datetime
    expires_at: datetime | None = None
    revoked_at: datetime | None = None

    def valid(self, now: datetime) -> bool:
        """Whether it still opens."""
        return self.revoked_at is None and (self.expires_at is None or now < self.expires_at)


SecretFate = Literal["changed", "unchanged", "removed"]


class AuditRecord(Value):
    """One change that somebody made. `old` and `new` are what people write, without secrets (None: not there).

    It is written before the change is made, so none can be missing; a change that then failed has a second record
    with the outcome `failed`.
    """

    record_id: str
    at: datetime
    who: str
    action: str
    kind: str
    name: str
    old: dict[str, Any] | None = None
    new: dict[str, Any] | None = None
    secrets: dict[str, SecretFate] = Field(default_factory=dict[str, SecretFate])
    outcome: Literal["done", "failed"] = "done"
