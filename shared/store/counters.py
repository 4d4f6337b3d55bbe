"""Consecutive numbers (collection `counters`). A number is given once; one that is then not used leaves a gap."""

from shared.store.collection import Collection, Database


class Counters:
    """Named counters."""

    def __init__(self, database: Database) -> None:
        self._collection = Collection(database, "counters")

    async def take(self, name: str, count: int = 1) -> int:
        """The first of `count` consecutive numbers that nobody else gets. The first ever is 1."""
        if count < 1:
            raise ValueError("take at least one number")
        while (document := await self._collection.change({"_id": name}, {"$inc": {"value": count}})) is None:
            await self._collection.insert({"_id": name, "value": 0})
        return int(document["value"]) - count + 1
