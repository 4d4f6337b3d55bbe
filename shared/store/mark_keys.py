"""The keys of our marks (collection `mark_keys`): made once, by whoever needs them first, and shared by all.

They prove that a reply answers a mail of ours. They are not sealed: whoever reads the store reads the tickets that
they stand for anyway (docs/adr/0008). Must never be logged.
"""

import base64
import secrets

from shared.domain.marks import KEY_BYTES, Marks
from shared.store.collection import Collection, Database

_KEY = "marks"


class MarkKeys:
    """The keys."""

    def __init__(self, database: Database) -> None:
        self._collection = Collection(database, "mark_keys")

    async def marks(self) -> Marks:
        """The marks of this system, the same in every process. Raises StoreUnavailable."""
        while (document := await self._collection.get(_KEY)) is None:
            made = base64.b64encode(secrets.token_bytes(KEY_BYTES)).decode("ascii")
            await self._collection.insert({"_id": _KEY, "keys": [made]})
        return Marks([base64.b64decode(one) for one in document["keys"]])
