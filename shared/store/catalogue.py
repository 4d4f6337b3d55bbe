"""The catalogue (collection `catalogue`, one document)."""

from shared.domain.catalogue import Catalogue
from shared.store.collection import Collection, Database, changed, read
from shared.store.config import Config
from shared.store.failures import Conflict

_KEY = "catalogue"


class CatalogueStore:
    """The catalogue, saved whole and only over the revision it was read at."""

    def __init__(self, database: Database, config: Config) -> None:
        self._collection = Collection(database, "catalogue")
        self._config = config

    async def load(self) -> Catalogue:
        """The catalogue; empty at revision 0 if none was ever saved."""
        document = await self._collection.get(_KEY)
        if document is None:
            return Catalogue()
        return read(Catalogue, document["catalogue"] | {"revision": document["revision"]})

    async def save(self, catalogue: Catalogue) -> Catalogue:
        """Save over `catalogue.revision`; returns it at the next one. Raises Conflict if that is not the stored one."""
        saved = catalogue.model_copy(update={"revision": catalogue.revision + 1})
        content = saved.model_dump(mode="json", exclude={"revision"})
        fields = {"catalogue": content, "revision": saved.revision}
        if catalogue.revision == 0:
            done = await self._collection.insert({"_id": _KEY, **fields})
        else:
            done = await self._collection.update({"_id": _KEY, "revision": catalogue.revision}, changed(fields))
        if not done:
            raise Conflict(
                "the catalogue was changed by somebody else meanwhile", where=f"revision {catalogue.revision}"
            )
        await self._config.bump()
        return saved
