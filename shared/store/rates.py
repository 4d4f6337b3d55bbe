"""How often somebody did something lately (collection `rates`), counted over all processes: at most so often in any
span of time, not per calendar minute.

One document per doer, changed by compare-and-set: two processes can never both take the last turn. It holds no name.
"""

import hashlib
from collections.abc import Mapping
from datetime import timedelta
from uuid import uuid4

from shared.domain.errors import Transient
from shared.store.collection import Collection, Database, changed, milliseconds
from shared.store.ports import Clock


class TooOften(Transient):
    """Somebody did it too often. `seconds` later there is a turn again."""

    code = "too_many_requests"

    def __init__(self, what: str, seconds: int) -> None:
        super().__init__(what, remedy=f"wait {seconds} s")
        self.seconds = seconds


class Rates:
    """The turns that were taken."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._collection = Collection(database, "rates")
        self._clock = clock

    async def take(self, what: str, who: str, limit: int, span: timedelta) -> None:
        """Take one of `limit` turns per `span`. Raises TooOften, and takes none, if all are taken.

        Ends: a lost race means that another turn was taken, of which there are `limit`.
        """
        key = hashlib.sha256(f"{what}\x00{who}".encode()).hexdigest()
        while True:
            now, width = milliseconds(self._clock.now()), span // timedelta(milliseconds=1)
            found = await self._collection.get(key)
            taken = [int(at) for at in found["taken"] if int(at) > now - width] if found else []
            if len(taken) >= limit:
                raise TooOften(f"{what}: at most {limit} in {width // 1000} s", _seconds(taken[-limit] + width - now))
            fields = {"taken": [*taken, now], "expires_ms": now + width, "mark": uuid4().hex}
            if await self._written(key, fields, found["mark"] if found else None):
                await self._collection.delete({"expires_ms": {"$lt": now}})
                return

    async def _written(self, key: str, fields: Mapping[str, object], mark: str | None) -> bool:
        if mark is None:
            return await self._collection.insert({"_id": key, **fields})
        return await self._collection.update({"_id": key, "mark": mark}, changed(fields))


def _seconds(width: int) -> int:
    """Milliseconds as whole seconds, rounded up: whoever waits that long has a turn."""
    return max(1, -(-width // 1000))
