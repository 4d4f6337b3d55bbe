"""How the sending of each mailbox is (collection `sending`), shared by all replicas: one that is refused is left alone
by all of them."""

from collections.abc import Awaitable, Callable
from datetime import datetime

from shared.domain.outbound import SendingStatus
from shared.store.collection import Collection, Database, Document, changed, milliseconds, read


class Sending:
    """The states of sending."""

    def __init__(self, database: Database, server_time: Callable[[], Awaitable[datetime]]) -> None:
        self._collection = Collection(database, "sending")
        self._server_time = server_time

    async def now(self) -> datetime:
        """What the server's clock says."""
        return await self._server_time()

    async def all(self) -> dict[str, SendingStatus]:
        """How every mailbox is that was in trouble at least once."""
        return {one["_id"]: read(SendingStatus, one["status"]) for one in await self._collection.find({})}

    async def begin(self, status: SendingStatus, retry_at: datetime) -> bool:
        """Take the one try that is due, of a mailbox in trouble: nobody else tries before `retry_at`."""
        next_time = status.model_copy(update={"retry_at": retry_at})
        query = {"_id": status.mailbox, "retry_ms": milliseconds(status.retry_at)}
        return await self._collection.update(query, changed(_fields(next_time)))

    async def save(self, status: SendingStatus) -> None:
        """Say how it is."""
        while not await self._collection.update({"_id": status.mailbox}, changed(_fields(status))):
            await self._collection.insert({"_id": status.mailbox, **_fields(status)})


def _fields(status: SendingStatus) -> Document:
    return {"status": status.model_dump(), "retry_ms": milliseconds(status.retry_at)}
