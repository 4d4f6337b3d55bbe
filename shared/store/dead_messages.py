"""Messages that were not of the contract (collection `dead_messages`): what is known of them, for people."""

import hashlib
from collections.abc import Mapping

import orjson

from shared.store.collection import Collection, Database
from shared.store.ports import Clock


class DeadMessages:
    """The list of dead messages."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._collection = Collection(database, "dead_messages")
        self._clock = clock

    async def record(self, document: Mapping[str, str | int]) -> None:
        """Keep one. The same facts recorded again, after a redelivery, are the same record."""
        content = dict(document)
        key = hashlib.sha256(orjson.dumps(content, option=orjson.OPT_SORT_KEYS)).hexdigest()
        await self._collection.insert({"_id": key, "facts": content, "recorded_at": self._clock.now()})

    async def count(self) -> int:
        """How many there are."""
        return await self._collection.size()
