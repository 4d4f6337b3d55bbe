"""What people ask of the fetcher that reads a mailbox (collection `mailbox_runtime`, where its lease is).

A wish is a sub-document with a number. Who fulfils it names the number and holds the lease; of several who ask at the
same moment, one is heard and the others get that wish.
"""

from collections.abc import Iterable
from datetime import datetime

from shared.domain.mailbox_runtime import Lease
from shared.domain.wishes import Reading, Wishes
from shared.store.collection import Collection, Database, Document, Filter, changed, read
from shared.store.runtime import is_of, skeleton

READING = "reading"


class WishStore:
    """Wishes for mailboxes."""

    def __init__(self, database: Database) -> None:
        self._collection = Collection(database, "mailbox_runtime")

    async def of(self, mailbox: str) -> Wishes:
        """The wishes for one mailbox."""
        return _wishes(await self._collection.get(mailbox) or {})

    async def of_many(self, mailboxes: Iterable[str]) -> dict[str, Wishes]:
        """The wishes for these mailboxes; those for which nobody ever had one are left out."""
        found = await self._collection.find({"_id": {"$in": list(mailboxes)}}, only=(READING,))
        return {one["_id"]: _wishes(one) for one in found if one.get(READING)}

    async def ask_reading(self, mailbox: str, who: str, at: datetime) -> Reading:
        """Ask that a mailbox is read at once; returns the wish that is open then. One that is open already stays."""
        while True:
            document = await self._document(mailbox)
            last = _wishes(document).reading
            if last is not None and last.is_open:
                return last
            wish = Reading(number=last.number + 1 if last else 1, who=who, asked_at=at)
            if await self._collection.update(_is(mailbox, READING, last), changed({READING: wish.model_dump()})):
                return wish

    async def end_reading(self, mailbox: str, lease: Lease, wish: Reading) -> bool:
        """Note how a wish ended (`ended_at`, `failure`). False, and nothing noted, if the lease was lost."""
        query = {**is_of(mailbox, lease), f"{READING}.number": wish.number}
        return await self._collection.update(query, changed({READING: wish.model_dump()}))

    async def _document(self, mailbox: str) -> Document:
        while (document := await self._collection.get(mailbox)) is None:
            await self._collection.insert(skeleton(mailbox))
        return document


def _wishes(document: Document) -> Wishes:
    reading = document.get(READING)
    return Wishes(reading=read(Reading, reading) if reading else None)


def _is(mailbox: str, kind: str, last: Reading | None) -> Filter:
    """Matches while nobody asked again. The first two who ever ask may both match: their wishes are the same one."""
    return {"_id": mailbox} if last is None else {"_id": mailbox, f"{kind}.number": last.number}
