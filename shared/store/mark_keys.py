"""The keys of our marks (collection `mark_keys`): made once, by whoever needs them first, and shared by all.

They prove that a reply answers a mail of ours. They are not sealed: whoever reads the store reads the tickets that
they stand for anyway (docs/adr/0008). Must never be logged.
"""

import base64
import hashlib
import hmac
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
        return Marks(await self._keys())

    async def digest(self, value: str) -> str:
        """What stands for a value where it must not be read: the same for the same value, and a guess cannot be tried
        without the store. 32 hexadecimal digits."""
        key, *_ = await self._keys()
        return hmac.new(key, f"digest\x00{value}".encode(), hashlib.sha256).hexdigest()[:32]

    async def _keys(self) -> list[bytes]:
        while (document := await self._collection.get(_KEY)) is None:
            made = base64.b64encode(secrets.token_bytes(KEY_BYTES)).decode("ascii")
            await self._collection.insert({"_id": _KEY, "keys": [made]})
        return [base64.b64decode(one) for one in document["keys"]]
