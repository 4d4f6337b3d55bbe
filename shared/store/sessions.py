"""Browsers that are signed in to the console (collection `sessions`). Of a session's id only a hash is kept.

When it was last used is written at most once a minute: a page must not cost a write.
"""

import hashlib
import json
import secrets
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from pydantic import SecretStr

from shared.domain.access import Role
from shared.domain.people import LONGEST, Session, User
from shared.store.collection import Collection, Database, Document, changed, milliseconds
from shared.store.ports import Clock

_WRITTEN_EVERY = timedelta(minutes=1)
_MOST = 120


class Sessions:
    """The sessions. One that has ended is never found, and is deleted when the next one begins."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._collection = Collection(database, "sessions")
        self._clock = clock

    async def begin(self, user: User, *, agent: str = "", address: str = "") -> SecretStr:
        """A new session; its id is known to the browser alone."""
        now = milliseconds(self._clock.now())
        await self._collection.delete({"began_ms": {"$lt": now - LONGEST // timedelta(milliseconds=1)}})
        fields = {"user": user.key, "agent": agent[:_MOST], "address": address[:_MOST], "began_ms": now}
        return await self._insert({**fields, "flashes": "[]"}, user.role)

    async def find(self, given: str) -> Session | None:
        """The session of that id, if it has not ended; it has now been used."""
        key, now = hash_of(given), self._clock.now()
        document = await self._collection.get(key)
        found = _session(document) if document else None
        if found is None or not found.valid(now):
            return None
        if now - found.seen_at >= _WRITTEN_EVERY:
            await self._collection.update({"_id": key}, changed({"seen_ms": milliseconds(now)}))
        return found

    async def renew(self, session: Session, role: Role) -> SecretStr | None:
        """The same session under a new id and role; the old id opens nothing any more. None if it has just ended."""
        document = await self._collection.get(session.key)
        if document is None or not await self._collection.delete({"_id": session.key}):
            return None
        return await self._insert({name: value for name, value in document.items() if name != "_id"}, role)

    async def of(self, user: str) -> tuple[Session, ...]:
        """Those of a user that have not ended, the latest first."""
        now = self._clock.now()
        found = (_session(one) for one in await self._collection.find({"user": user}))
        return tuple(sorted((one for one in found if one.valid(now)), key=lambda one: one.seen_at, reverse=True))

    async def end(self, key: str, user: str) -> bool:
        """End a session of that user, by its `key`; False if there is none."""
        return await self._collection.delete({"_id": key, "user": user}) > 0

    async def end_all(self, user: str, but: str = "") -> int:
        """End every session of a user, but one; returns how many."""
        ended = [await self.end(one.key, user) for one in await self.of(user) if one.key != but]
        return sum(ended)

    async def flash(self, key: str, kind: str, words: str) -> None:
        """Keep a message for the next page of this session."""
        document = await self._collection.get(key)
        if document is not None:
            said = [*json.loads(document["flashes"]), [kind, words]]
            await self._collection.update({"_id": key}, changed({"flashes": json.dumps(said)}))

    async def take_flashes(self, key: str) -> Sequence[tuple[str, str]]:
        """The messages that wait, each shown once: its kind and its words."""
        document = await self._collection.get(key)
        if document is None or document["flashes"] == "[]":
            return ()
        query = {"_id": key, "flashes": document["flashes"]}
        if not await self._collection.update(query, changed({"flashes": "[]"})):
            return ()
        return tuple((str(kind), str(words)) for kind, words in json.loads(document["flashes"]))

    async def _insert(self, fields: Document, role: Role) -> SecretStr:
        given, now = secrets.token_urlsafe(32), milliseconds(self._clock.now())
        await self._collection.insert({**fields, "_id": hash_of(given), "role": role.value, "seen_ms": now})
        return SecretStr(given)


def hash_of(given: str) -> str:
    """What a session is kept under. Its id has 256 random bits, so a plain hash cannot be guessed back."""
    return hashlib.sha256(given.encode("utf-8", "surrogatepass")).hexdigest()


def _session(document: Document) -> Session:
    return Session(
        key=document["_id"],
        user=document["user"],
        role=Role(document["role"]),
        agent=document["agent"],
        address=document["address"],
        began_at=_instant(document["began_ms"]),
        seen_at=_instant(document["seen_ms"]),
    )


def _instant(since_1970: int) -> datetime:
    return datetime.fromtimestamp(since_1970 / 1000, UTC)
