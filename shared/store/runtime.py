"""What fetchers share about mailboxes (collection `mailbox_runtime`) and about each other (collection `fetchers`).

A lease is granted by compare-and-set against the server's clock; its token fences every write of a cursor.
"""

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta

from shared.domain.mailbox_runtime import NOBODY, Asked, Cursor, Lease, MailboxStatus, Standing
from shared.store.collection import Change, Collection, Database, Document, Filter, changed, milliseconds, read
from shared.store.together import Together

_LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)
LONGEST = timedelta(seconds=600)
"""Nothing is granted for longer (see FetcherSettings). What ends later than that was granted while the server's clock
was ahead: it counts as ended, or a fetcher that is gone would keep its mailboxes until then."""


class Runtime:
    """Leases, cursors and states of mailboxes, and which fetchers live."""

    def __init__(self, database: Database, server_time: Callable[[], Awaitable[datetime]]) -> None:
        self._collection = Collection(database, "mailbox_runtime")
        self._fetchers = Collection(database, "fetchers")
        self._server_time = server_time
        self._save = Together(self._save_all)

    async def acquire(self, mailbox: str, holder: str, ttl: timedelta) -> Lease | None:
        """The lease of a mailbox; None if somebody else has it. See `acquire_many`."""
        return (await self.acquire_many([mailbox], holder, ttl, 1)).granted.get(mailbox)

    async def acquire_many(self, mailboxes: Sequence[str], holder: str, ttl: timedelta, most: int) -> Asked:
        """The leases of up to `most` of these mailboxes: those that are free, have run out, or are the holder's already
        (then their tokens stay). A new holder gets a higher token. Three round trips, more only for mailboxes that
        nothing is known of, and where somebody else was faster."""
        now = await self._server_time()
        held = await self._leases_of(mailboxes)
        free = [
            name for name in held if held[name].holder in (holder, NOBODY) or not _lasts(held[name].expires_at, now)
        ]
        taken = {name: _next(held[name], holder, now + ttl) for name in free[:most]}
        matched = await self._collection.update_each(
            (_is_held(name, held[name]), changed({"lease": lease.model_dump()})) for name, lease in taken.items()
        )
        if matched == len(taken):
            return Asked(taken, {name: held[name] for name in held if name not in taken})
        found = await self._leases_of(tuple(taken))
        granted = {name: lease for name, lease in taken.items() if _has(found[name], lease)}
        return Asked(granted, {name: lease for name, lease in {**held, **found}.items() if name not in granted})

    async def renew(self, mailbox: str, lease: Lease, ttl: timedelta) -> Lease | None:
        """The lease, prolonged; None if it was lost. See `renew_many`."""
        return (await self.renew_many({mailbox: lease}, ttl)).get(mailbox)

    async def renew_many(self, leases: Mapping[str, Lease], ttl: timedelta) -> dict[str, Lease]:
        """The leases, by mailbox, prolonged; without those that were lost. Two round trips, three if one was.

        One is lost, too, if the store has one that ends earlier: then it was put back to an older copy, and its holder
        must not go on from a cursor that the store knows nothing of.
        """
        until = await self._server_time() + ttl
        renewed = {name: lease.model_copy(update={"expires_at": until}) for name, lease in leases.items()}
        matched = await self._collection.update_each(
            (
                {**is_of(name, lease), "lease.expires_at": {"$gte": lease.expires_at}},
                changed({"lease": renewed[name].model_dump()}),
            )
            for name, lease in leases.items()
        )
        if matched == len(leases):
            return renewed
        found = await self._collection.find({"_id": {"$in": list(leases)}}, only=("lease",))
        held = {one["_id"]: _lease(one) for one in found}
        return {name: lease for name, lease in renewed.items() if name in held and _has(held[name], lease)}

    async def release(self, mailbox: str, lease: Lease) -> None:
        """Give a lease back. One that was lost meanwhile stays with its new holder."""
        free = Lease(holder=NOBODY, token=lease.token, expires_at=_LONG_AGO)
        await self._collection.update(is_of(mailbox, lease), changed({"lease": free.model_dump()}))

    async def cursor(self, mailbox: str, folder: str) -> Cursor | None:
        """How far a folder has been read; None before the first time."""
        document = await self._collection.get(mailbox)
        found = document["cursors"].get(_folder_key(folder)) if document else None
        return read(Cursor, found) if found else None

    async def save_cursor(self, mailbox: str, lease: Lease, cursor: Cursor) -> bool:
        """Save how far a folder has been read. False, and nothing saved, if the lease was lost."""
        field = f"cursors.{_folder_key(cursor.folder)}"
        return await self._save((is_of(mailbox, lease), changed({field: cursor.model_dump()})))

    async def _save_all(self, updates: Sequence[tuple[Filter, Change]]) -> Sequence[bool]:
        if await self._collection.update_each(updates) == len(updates):
            return [True] * len(updates)
        # The answer does not say which was fenced off: each by itself, which changes nothing where it was done.
        return [await self._collection.update(*one) for one in updates]

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

    async def standings(self, mailboxes: Sequence[str]) -> dict[str, Standing]:
        """How these mailboxes are, and who reads them; without those that nothing is known of. Two round trips."""
        now = await self._server_time()
        found = await self._collection.find({"_id": {"$in": list(mailboxes)}}, only=("lease", "status"))
        return {one["_id"]: _standing(one, now) for one in found}

    async def set_status_of(self, mailbox: str, lease: Lease, status: MailboxStatus) -> bool:
        """Say how a mailbox is; False, and nothing changed, if somebody has taken or prolonged that lease since."""
        return await self._collection.update(_is_held(mailbox, lease), changed({"status": status.model_dump()}))

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
            name: lease for name, lease in found.items() if lease.holder != NOBODY and _lasts(lease.expires_at, now)
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

    async def _leases_of(self, mailboxes: Sequence[str]) -> dict[str, Lease]:
        """The leases as they are written, in that order; makes the documents that are missing."""
        found = {
            one["_id"]: one for one in await self._collection.find({"_id": {"$in": list(mailboxes)}}, only=("lease",))
        }
        missing = {name: skeleton(name) for name in mailboxes if name not in found}
        await self._collection.insert_many(list(missing.values()))
        return {name: _lease(found.get(name) or missing[name]) for name in mailboxes}

    async def _document(self, mailbox: str) -> Document:
        while (document := await self._collection.get(mailbox)) is None:
            await self._collection.insert(skeleton(mailbox))
        return document


def skeleton(mailbox: str) -> Document:
    """The document of a mailbox that nothing is known of yet."""
    free = Lease(holder=NOBODY, token=0, expires_at=_LONG_AGO)
    return {"_id": mailbox, "lease": free.model_dump(), "status": None, "cursors": {}}


def _lease(document: Document) -> Lease:
    return read(Lease, document["lease"])


def _standing(document: Document, now: datetime) -> Standing:
    lease, status = _lease(document), document["status"]
    read_now = lease.holder != NOBODY and _lasts(lease.expires_at, now)
    return Standing(lease=lease, read=read_now, status=read(MailboxStatus, status) if status else None)


def _next(held: Lease, holder: str, until: datetime) -> Lease:
    token = held.token if held.holder == holder else held.token + 1
    return Lease(holder=holder, token=token, expires_at=until)


def _lasts(until: datetime, now: datetime) -> bool:
    return now < until <= now + LONGEST


def _has(held: Lease, renewed: Lease) -> bool:
    """Whether what the store holds is that renewal, or a later one."""
    whose = (held.holder, held.token) == (renewed.holder, renewed.token)
    return whose and milliseconds(held.expires_at) >= milliseconds(renewed.expires_at)


def is_of(mailbox: str, lease: Lease) -> Filter:
    """Matches while the lease is that holder's: the fence."""
    return {"_id": mailbox, "lease.token": lease.token, "lease.holder": lease.holder}


def _is_held(mailbox: str, lease: Lease) -> Filter:
    """Matches only while the lease is exactly as it was read: a renewal in between changes `expires_at`."""
    return {**is_of(mailbox, lease), "lease.expires_at": lease.expires_at}


def _folder_key(folder: str) -> str:
    """A folder name as a field name: names may hold dots and dollars, hexadecimal digits cannot."""
    return f"f{folder.encode().hex()}"
