"""Sightings (collection `sightings`): one document per UID of a folder under a UIDVALIDITY."""

from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import chain

from shared.domain.sighting import Sight, Sighting
from shared.store.collection import Collection, Database, Document, changed, read
from shared.store.together import Together

_NOT_OF_SIGHTING = frozenset({"_id", "place"})


class Sightings:
    """Which UIDs have been seen."""

    def __init__(self, database: Database) -> None:
        self._collection = Collection(database, "sightings")
        self._known = Together(self._all_known)

    async def insert_many(self, sightings: Sequence[Sighting]) -> None:
        """Keep sightings. A UID that is there already stays as it is (see `settle`)."""
        await self._collection.insert_many([_document(one) for one in sightings])

    async def settle(self, sightings: Sequence[Sighting]) -> None:
        """Say what holes turned out to be. A UID that is not a hole stays as it is."""
        await self._change(sightings, Sight.HOLE)

    async def take_over(self, sightings: Sequence[Sighting]) -> None:
        """Keep sightings of mail that is older than its mailbox, and was asked for.

        A UID that is there already stays as it is, unless it was noted as older. Two round trips.
        """
        await self.insert_many(sightings)
        await self._change(sightings, Sight.EARLIER)

    async def _change(self, sightings: Sequence[Sighting], was: Sight) -> None:
        await self._collection.update_each(
            (
                {"_id": key_of(one), "state": was.value},
                changed({"state": one.state.value, "content_id": one.content_id, "mail_id": one.mail_id}),
            )
            for one in sightings
        )

    async def known(self, mailbox: str, folder: str, uid_validity: int, uids: Sequence[int]) -> frozenset[int]:
        """Those of `uids` that have been seen, whatever they were."""
        keys = {_key(mailbox, folder, uid_validity, uid): uid for uid in uids}
        return frozenset(keys[one] for one in await self._known(tuple(keys))) if keys else frozenset()

    async def _all_known(self, calls: Sequence[Sequence[str]]) -> Sequence[frozenset[str]]:
        keys = [*chain.from_iterable(calls)]
        found = {one["_id"] for one in await self._collection.find({"_id": {"$in": keys}}, only=("uid",))}
        return [frozenset(found.intersection(one)) for one in calls]

    async def at(self, mailbox: str, folder: str, uid_validity: int, uids: Sequence[int]) -> tuple[Sighting, ...]:
        """What those of `uids` were that have been seen, by UID."""
        if not uids:
            return ()
        keys = [_key(mailbox, folder, uid_validity, uid) for uid in uids]
        found = _sightings(await self._collection.find({"_id": {"$in": keys}}))
        return tuple(sorted(found, key=lambda one: one.uid))

    async def holes(self, mailbox: str, folder: str, uid_validity: int) -> tuple[Sighting, ...]:
        """The UIDs that could not be fetched yet."""
        query = {"place": _place(mailbox, folder, uid_validity), "state": Sight.HOLE.value}
        return _sightings(await self._collection.find(query))

    async def count_holes(self) -> dict[str, int]:
        """How many UIDs of each mailbox could not be fetched (yet)."""
        found = await self._collection.find({"state": Sight.HOLE.value}, only=("mailbox",))
        return dict(Counter(str(one["mailbox"]) for one in found))

    async def by_content(
        self, mailbox: str, folder: str, uid_validity: int, content_ids: Sequence[str]
    ) -> tuple[Sighting, ...]:
        """The sightings of those contents in a folder, by UID."""
        if not content_ids:
            return ()
        wanted = content_ids[0] if len(content_ids) == 1 else {"$in": list(content_ids)}
        found = await self._collection.find({"content_id": wanted})
        here = (one for one in _sightings(found) if (one.mailbox, one.folder) == (mailbox, folder))
        return tuple(sorted((one for one in here if one.uid_validity == uid_validity), key=lambda one: one.uid))

    async def mail_ids(self, mailbox: str) -> frozenset[str]:
        """The mails that were ever seen in a mailbox."""
        found = await self._collection.find({"mailbox": mailbox}, only=("mail_id",))
        return frozenset(one["mail_id"] for one in found if one.get("mail_id"))

    async def mails_after(self, key: str, limit: int) -> tuple[tuple[str, str, str | None], ...]:
        """Up to `limit` sightings behind that key, by key: key, mailbox and mail_id (None: no mail of ours)."""
        fields = ("mailbox", "mail_id")
        found = await self._collection.find({"_id": {"$gt": key}}, only=fields, sort=(("_id", 1),), limit=limit)
        return tuple((one["_id"], one["mailbox"], one.get("mail_id")) for one in found)


def key_of(sighting: Sighting) -> str:
    """The `_id` of a sighting, which makes it unique."""
    return _key(sighting.mailbox, sighting.folder, sighting.uid_validity, sighting.uid)


def _key(mailbox: str, folder: str, uid_validity: int, uid: int) -> str:
    return f"{uid}/{_place(mailbox, folder, uid_validity)}"


def _place(mailbox: str, folder: str, uid_validity: int) -> str:
    return f"{mailbox}/{uid_validity}/{folder}"


def _document(sighting: Sighting) -> Document:
    place = _place(sighting.mailbox, sighting.folder, sighting.uid_validity)
    return {"_id": key_of(sighting), "place": place, **sighting.model_dump()}


def _sightings(documents: Iterable[Document]) -> tuple[Sighting, ...]:
    return tuple(read(Sighting, {key: one[key] for key in one if key not in _NOT_OF_SIGHTING}) for one in documents)
