"""Who signs in to the console: people, their sessions, and the one-time links that let them in first. Pure; holds no
secret."""

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Annotated

from pydantic import StringConstraints

from shared.domain.access import Role
from shared.domain.value import Value

IDLE = timedelta(minutes=30)
"""A session that is not used for this long has ended."""
LONGEST = timedelta(hours=12)
"""A session has ended after this long, used or not."""
LINK_VALID = timedelta(hours=1)
"""How long a one-time link opens."""

UserName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9._@-]{0,99}$")]
"""The name of a local user: small letters, digits, and `.`, `_`, `@`, `-` within."""


class Origin(StrEnum):
    """Who vouches for a user: this console (by a password), or an OpenID provider."""

    LOCAL = "local"
    OPENID = "openid"


class User(Value):
    """A person who may sign in. `key` never changes: a local user's name; for others, what stands for issuer and
    subject. `has_password` is false for a user who has been invited and has not come yet."""

    key: str
    name: str
    role: Role
    origin: Origin = Origin.LOCAL
    disabled: bool = False
    has_password: bool = False
    created_by: str
    created_at: datetime
    signed_in_at: datetime | None = None

    @property
    def who(self) -> str:
        """How the audit log names the person."""
        return f"user {self.name}" if self.origin is Origin.LOCAL else f"user {self.name} ({self.key})"


class Session(Value):
    """A browser that is signed in. `key` is the hash of its secret id, and opens nothing; `role` is what the user was
    when the id was made."""

    key: str
    user: str
    role: Role
    agent: str = ""
    address: str = ""
    began_at: datetime
    seen_at: datetime

    def valid(self, now: datetime) -> bool:
        """Whether it still opens."""
        return now < self.seen_at + IDLE and now < self.began_at + LONGEST


class Purpose(StrEnum):
    """What a one-time link is for: making the first administrator, or setting a password for a user."""

    FIRST = "first"
    PASSWORD = "password"  # noqa: S105 - not a password


class Invitation(Value):
    """A one-time link. `key` opens nothing; `user` is empty where the person chooses the name."""

    key: str
    purpose: Purpose
    user: str = ""
    until: datetime
