"""API tokens (collection `api_tokens`), hashed: a token is shown once, when it is made, and can never be read again.

A token is `mat_<token_id>_<secret>`. The secret has 256 random bits, so a plain SHA-256 of it cannot be guessed back.
"""

import hashlib
import hmac
import re
import secrets
from datetime import datetime

from pydantic import SecretStr

from shared.domain.access import ApiToken, Role
from shared.store.collection import Collection, Database, Document, changed
from shared.store.ports import Clock

_FORM = re.compile(r"mat_([0-9a-f]{16})_([0-9A-Za-z_-]{43})")


class ApiTokens:
    """The tokens."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._collection = Collection(database, "api_tokens")
        self._clock = clock

    async def create(
        self, name: str, role: Role, *, created_by: str, expires_at: datetime | None = None
    ) -> tuple[ApiToken, SecretStr]:
        """A new token, and its text: the only time anyone sees it."""
        made = ApiToken(
            token_id=secrets.token_hex(8),
            name=name,
            role=role,
            created_by=created_by,
            created_at=self._clock.now(),
            expires_at=expires_at,
        )
        secret = secrets.token_urlsafe(32)
        fields = made.model_dump(exclude={"token_id", "revoked_at"})
        await self._collection.insert({"_id": made.token_id, **fields, "hash": _hash(secret), "revoked": None})
        return made, SecretStr(f"mat_{made.token_id}_{secret}")

    async def holder(self, given: str) -> ApiToken | None:
        """Whose token that is; None if it is no token, unknown, revoked or expired."""
        parts = _FORM.fullmatch(given)
        document = await self._collection.get(parts[1]) if parts else None
        if parts is None or document is None or not hmac.compare_digest(str(document["hash"]), _hash(parts[2])):
            return None
        found = _token(document)
        return found if found.valid(self._clock.now()) else None

    async def all(self) -> tuple[ApiToken, ...]:
        """Every token that was ever made, oldest first."""
        return tuple(sorted(map(_token, await self._collection.find({})), key=lambda one: one.created_at))

    async def revoke(self, token_id: str) -> bool:
        """Close a token for ever; False if there is none of that id that was open."""
        return await self._collection.update(
            {"_id": token_id, "revoked": None}, changed({"revoked": {"at": self._clock.now()}})
        )


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def _token(document: Document) -> ApiToken:
    names = ("name", "role", "created_by", "created_at", "expires_at")
    revoked = document["revoked"]
    fields = {name: document[name] for name in names}
    return ApiToken(token_id=document["_id"], revoked_at=revoked["at"] if revoked else None, **fields)
