"""One-time links into the console (collection `invitations`), hashed: whoever opens one sets a password, once."""

import hashlib
import secrets
from datetime import UTC, datetime

from pydantic import SecretStr

from shared.domain.people import LINK_VALID, Invitation, Purpose
from shared.store.collection import Collection, Database, Document, milliseconds
from shared.store.ports import Clock


class Invitations:
    """The links that have not been used. An expired one is never found, and is deleted when the next one is made."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._collection = Collection(database, "invitations")
        self._clock = clock

    async def make(self, purpose: Purpose, user: str = "") -> SecretStr:
        """A new link: the secret part of it, seen this once. It replaces the one for the same purpose and user."""
        now = self._clock.now()
        await self._collection.delete({"until_ms": {"$lt": milliseconds(now)}})
        await self.withdraw(purpose, user)
        link = secrets.token_urlsafe(32)
        fields = {"purpose": purpose.value, "user": user, "until_ms": milliseconds(now + LINK_VALID)}
        await self._collection.insert({"_id": _hash(link), **fields})
        return SecretStr(link)

    async def find(self, link: str) -> Invitation | None:
        """What a link is for, if it still opens."""
        document = await self._collection.get(_hash(link))
        found = _invitation(document) if document else None
        return found if found is not None and self._clock.now() < found.until else None

    async def take(self, invitation: Invitation) -> bool:
        """Use it up; False if somebody did so already."""
        return await self._collection.delete({"_id": invitation.key}) > 0

    async def withdraw(self, purpose: Purpose, user: str = "") -> None:
        """Let no link for that purpose and user open any more."""
        await self._collection.delete({"purpose": purpose.value, "user": user})


def _hash(link: str) -> str:
    return hashlib.sha256(link.encode("utf-8", "surrogatepass")).hexdigest()


def _invitation(document: Document) -> Invitation:
    until = datetime.fromtimestamp(document["until_ms"] / 1000, UTC)
    return Invitation(key=document["_id"], purpose=Purpose(document["purpose"]), user=document["user"], until=until)
