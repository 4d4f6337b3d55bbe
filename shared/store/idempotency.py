"""Answers kept by Idempotency-Key (collection `api_requests`), so that a repeated create changes nothing.

Of a request only a salted, slow hash is kept: it may hold a password. Answers never hold one.
"""

import asyncio
import hashlib
import hmac
import os
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from shared.domain.errors import Permanent
from shared.store.collection import Collection, Database, changed, milliseconds
from shared.store.ports import Clock

KEPT = timedelta(hours=24)
RUNNING = timedelta(seconds=60)


class IdempotencyKeys:
    """The keys. `who` keeps those of different callers apart."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._collection = Collection(database, "api_requests")
        self._clock = clock

    async def begin(self, who: str, key: str, request: bytes) -> Mapping[str, Any] | None:
        """Claim a key for a request: None if the work is to be done now, else the answer that was given before.

        Raises Permanent with code `idempotency_key_reused` for another request under the same key, and
        `idempotency_key_busy` while the first is being worked on.
        """
        name, salt = _name(who, key), os.urandom(16).hex()
        mark = await asyncio.to_thread(_mark, request, salt)
        now = milliseconds(self._clock.now())
        fields = {"salt": salt, "mark": mark, "begun_ms": now, "answer": None}
        if await self._collection.insert({"_id": name, **fields}):
            return None
        kept = await self._collection.get(name)
        age = timedelta(milliseconds=now - int(kept["begun_ms"])) if kept else KEPT
        if kept is None or age >= KEPT or (kept["answer"] is None and age >= RUNNING):
            stale = {"_id": name, "begun_ms": kept["begun_ms"] if kept else None}
            if await self._collection.update(stale, changed(fields)):
                return None
            raise _busy()
        if not hmac.compare_digest(str(kept["mark"]), await asyncio.to_thread(_mark, request, str(kept["salt"]))):
            what = "this Idempotency-Key was used for another request"
            raise Permanent(what, remedy="use a new key for each request", code="idempotency_key_reused")
        if kept["answer"] is None:
            raise _busy()
        answer: Mapping[str, Any] = kept["answer"]
        return answer

    async def finish(self, who: str, key: str, answer: Mapping[str, Any]) -> None:
        """Keep the answer for repeats."""
        await self._collection.update({"_id": _name(who, key)}, changed({"answer": dict(answer)}))

    async def forget(self, who: str, key: str) -> None:
        """Give the key free: the work failed and may be tried again."""
        await self._collection.delete({"_id": _name(who, key)})


def _name(who: str, key: str) -> str:
    return hashlib.sha256(f"{who}\x00{key}".encode()).hexdigest()


def _mark(request: bytes, salt: str) -> str:
    return hashlib.scrypt(request, salt=bytes.fromhex(salt), n=2**13, r=8, p=1).hex()


def _busy() -> Permanent:
    what = "the first request with this Idempotency-Key is still being worked on"
    return Permanent(what, remedy="repeat it in a minute", code="idempotency_key_busy")
