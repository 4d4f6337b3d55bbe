"""The generation of the configuration (collection `config`): it grows with every change of mailboxes or catalogue."""

from shared.store.collection import Collection, Database

_KEY = "configuration"


class Config:
    """One number that tells whether cached configuration is stale."""

    def __init__(self, database: Database) -> None:
        self._collection = Collection(database, "config")

    async def generation(self) -> int:
        """The current generation; 0 before the first change."""
        document = await self._collection.get(_KEY)
        return int(document["generation"]) if document else 0

    async def bump(self) -> None:
        """Say that the configuration changed."""
        while not await self._collection.update({"_id": _KEY}, {"$inc": {"generation": 1}}):
            await self._collection.insert({"_id": _KEY, "generation": 0})
