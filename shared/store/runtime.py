"""What fetchers share about mailboxes (collection `mailbox_runtime`) and about each other (collection `fetchers`).

A lease is granted by compare-and-set against the server's clock; its token fences every write of a cursor.
"""

from collections.abc import Awaitable, Callable, Iterable
from datetime import UTC, datetime, timedelta

from shared.domain.mailbox_runtime import Cursor, Lease, MailboxStatus
from shared.store.collection import Collection, Database, Document, Filter, changed, read

_LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)
_NOBODY = ""
_TRIES = 3
LONGEST = timedelta(seconds=600)
"""Nothing is granted for longer (see FetcherSettings). What ends later than that was granted while the server's clock
was ahead: it counts as ended, or a fetcher that is gone would keep its mailboxes until then."""


class Runtime:
    """Leases, cursors and states of mailboxes, and which fetchers live."""

    def __init__(self, database: Database, server_time: Callable[[], Awaitable[datetime]]) -> None:
        self._collection = Collection(database, "mailbox_runtime")
        self._fetchers = Collection(database, "fetchers")
        self._server_time = server_time

    async def acquire(self, mailbox: str, holder: str, ttl: timedelta) -> Lease | None:
        """The lease of a mailbox, if it is free, has run out, or is the holder's already (then its token stays).

        None if somebody else has it. A new holder gets a higher token.
        """
        now = await self._server_time()
        for _ in range(_TRIES):
            held = _lease(await self._document(mailbox))
            if held.holder not in (holder, _NOBODY) and _lasts(held.expires_at, now):
                return None
            token = held.token if held.holder == holder else held.token + 1
            lease = Lease(holder=holder, token=token, expires_at=now + ttl)
            if await self._collection.update(_is_held(mailbox, held), changed({"lease": lease.model_dump()})):
                return lease
        return None

    async def renew(self, mailbox: str, lease: Lease, ttl: timedelta) -> Lease | None:
        """The lease, prolonged; None if it was lost.

        It is, too, if the store has one that ends earlier: then it was put back to an older copy, and its holder must
        not go on from a cursor that the store knows nothing of.
        """
        renewed = lease.model_copy(update={"expires_at": await self._server_time() + ttl})
        query = {**is_of(mailbox, lease), "lease.expires_at": {"$gte": lease.expires_at}}
        done = await self._collection.update(query, changed({"lease": renewed.model_dump()}))
        return renewed if done else None

    async def release(self, mailbox: str, lease: Lease) -> None:
        """Give a lease back. One that was lost meanwhile stays with its new holder."""
        free = Lease(holder=_NOBODY, token=lease.token, expires_at=_LONG_AGO)
        await self._collection.update(is_of(mailbox, lease), changed({"lease": free.model_dump()}))

    async def cursor(self, mailbox: str, folder: str) -> Cursor | None:
        """How far a folder has been read; None before the first time."""
        document = await self._collection.get(mailbox)
        found = document["cursors"].get(_folder_key(folder)) if document else None
        return read(Cursor, found) if found else None

    async def save_cursor(self, mailbox: str, lease: Lease, cursor: Cursor) -> bool:
        """Save how far a folder has been read. False, and nothing saved, if the lease was lost."""
        field = f"cursors.{_folder_key(cursor.folder)}"
        return await self._collection.update(is_of(mailbox, lease), changed({field: cursor.model_dump()}))

    async def accept_reappearance(self, mailbox: str) -> None:
        """Say that a person wants the mails that have come back and are waiting."""
        await self._document(mailbox)
        await self._collection.update({"_id": mailbox}, changed({"reappearance": {"accepted": True}}))

    async def reappearance_accepted(self, mailbox: str) -> bool:
        """Whether a person wants them."""
        return (await self._document(mailbox)).get("reappearance") == {"accepted": True}

    async def settle_reappearance(self, mailbox: str) -> None:
        """They have been taken: what comes back next is another matter."""
        await self._collection.update({"_id": mailbox}, changed({"reappearance": None}))

    async def set_status(self, mailbox: str, status: MailboxStatus) -> None:
        """Say how a mailbox is."""
        update = changed({"status": status.model_dump()})
        while not await self._collection.update({"_id": mailbox}, update):
            await self._collection.insert(skeleton(mailbox))

    async def statuses(self) -> dict[str, MailboxStatus]:
        """How every mailbox is that was ever fetched."""
        found = await self._collection.find({}, only=("status",))
        return {one["_id"]: read(MailboxStatus, one["status"]) for one in found if one["status"]}

    async def status(self, mailbox: str) -> MailboxStatus | None:
        """How a mailbox is; None if it was never fetched."""
        document = await self._collection.get(mailbox)
        return read(MailboxStatus, document["status"]) if document and document["status"] else None

    async def cursors(self, mailboxes: Iterable[str]) -> dict[str, tuple[Cursor, ...]]:
        """How far the folders of these mailboxes have been read."""
        found = await self._collection.find({"_id": {"$in": list(mailboxes)}}, only=("cursors",))
        return {one["_id"]: tuple(map(Cursor.model_validate, one["cursors"].values())) for one in found}

    async def leases(self) -> dict[str, Lease]:
        """The leases in force, by mailbox."""
        now = await self._server_time()
        found = {one["_id"]: _lease(one) for one in await self._collection.find({}, only=("lease",))}
        return {
            name: lease for name, lease in found.items() if lease.holder != _NOBODY and _lasts(lease.expires_at, now)
        }

    async def announce(self, fetcher_id: str, ttl: timedelta) -> None:
        """Say that a fetcher lives, for `ttl` from now."""
        alive = {"alive": {"until": await self._server_time() + ttl}}
        while not await self._fetchers.update({"_id": fetcher_id}, changed(alive)):
            await self._fetchers.insert({"_id": fetcher_id, **alive})

    async def live_fetchers(self) -> tuple[str, ...]:
        """The fetchers that live, sorted."""
        now = await self._server_time()
        return tuple(sorted(one["_id"] for one in await self._fetchers.find({}) if _lasts(one["alive"]["until"], now)))

    async def retire(self, fetcher_id: str) -> None:
        """Say that a fetcher has stopped."""
        await self._fetchers.delete({"_id": fetcher_id})

    async def _document(self, mailbox: str) -> Document:
        while (document := await self._collection.get(mailbox)) is None:
            await self._collection.insert(skeleton(mailbox))
        return document


def skeleton(mailbox: str) -> Document:
    """The document of a mailbox that nothing is known of yet."""
    free = Lease(holder=_NOBODY, token=0, expires_at=_LONG_AGO)
    return {"_id": mailbox, "lease": free.model_dump(), "status": None, "cursors": {}}


def _lease(document: Document) -> Lease:
    return read(Lease, document["lease"])


def _lasts(until: datetime, now: datetime) -> bool:
    return now < until <= now + LONGEST


def is_of(mailbox: str, lease: Lease) -> Filter:
    """Matches while the lease is that holder's: the fence."""
    return {"_id": mailbox, "lease.token": lease.token, "lease.holder": lease.holder}


def _is_held(mailbox: str, lease: Lease) -> Filter:
    """Matches only while the lease is exactly as it was read: a renewal in between changes `expires_at`."""
    return {**is_of(mailbox, lease), "lease.expires_at": lease.expires_at}


def _folder_key(folder: str) -> str:
    """A folder name as a field name: names may hold dots and dollars, hexadecimal digits cannot."""
    return f"f{folder.encode().hex()}"
