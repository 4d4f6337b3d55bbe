"""Mailboxes that people are still writing (collection `drafts`): one per user and mailbox, sealed as a whole.

A draft holds the secrets that were typed for it, so nothing of it is kept in the clear. It ends after a day. Its
`mark` is another one each time it is kept: a rotation of the key changes only what it has read.
"""

import json
from collections.abc import Mapping
from datetime import timedelta
from typing import Any
from uuid import uuid4

from pydantic import SecretStr

from shared.domain.errors import ConfigurationError
from shared.store.collection import Collection, Database, changed, milliseconds
from shared.store.encryption import Vault
from shared.store.ports import Clock

VALID = timedelta(days=1)


class Drafts:
    """The drafts. Expired ones are never found, and are deleted with the next one that is kept."""

    def __init__(self, database: Database, vault: Vault, clock: Clock) -> None:
        self._collection = Collection(database, "drafts")
        self._vault = vault
        self._clock = clock

    async def get(self, user: str, mailbox: str) -> Mapping[str, Any] | None:
        """What a user has written of a mailbox; None also where the key that sealed it is gone."""
        key = _key(user, mailbox)
        document = await self._collection.get(key)
        if document is None or document["until_ms"] <= milliseconds(self._clock.now()):
            return None
        try:
            plain = self._vault.open(document["sealed"], _binding(key))
        except ConfigurationError:
            return None
        content: dict[str, Any] = json.loads(plain.get_secret_value())
        return content

    async def put(self, user: str, mailbox: str, content: Mapping[str, Any]) -> None:
        """Keep it, whatever was there before. `content` are JSON values. Raises ConfigurationError without a key."""
        key, now = _key(user, mailbox), self._clock.now()
        await self._collection.delete({"until_ms": {"$lt": milliseconds(now)}})
        sealed = self._vault.seal(SecretStr(json.dumps(content)), _binding(key))
        fields = {"sealed": sealed, "until_ms": milliseconds(now + VALID), "mark": uuid4().hex}
        while not await self._collection.update({"_id": key}, changed(fields)):
            if await self._collection.insert({"_id": key, **fields}):
                break

    async def drop(self, user: str, mailbox: str) -> None:
        """Forget it."""
        await self._collection.delete({"_id": _key(user, mailbox)})


def _key(user: str, mailbox: str) -> str:
    return f"{mailbox}/{user}"


def _binding(key: str) -> str:
    return f"draft\x1f{key}"
