"""What people ask of the fetcher that reads a mailbox (collection `mailbox_runtime`, where its lease is).

A wish is a sub-document with a number. Who fulfils it names the number and holds the lease; of several who ask at the
same moment, one is heard and the others get that wish. Beside each stands a number that says whether
it is open, by which the open ones are found.
"""

from collections.abc import Iterable
from datetime import date, datetime

from shared.domain.mailbox_runtime import Lease
from shared.domain.wishes import OldMail, Reading, Wishes
from shared.store.collection import Change, Collection, Database, Document, Filter, changed, read
from shared.store.runtime import is_of, skeleton

Wish = Reading | OldMail
_FIELDS = {Reading: "reading", OldMail: "old_mail"}
_OPEN = {Reading: "reading_open", OldMail: "old_mail_open"}


class WishStore:
    """Wishes for mailboxes."""

    def __init__(self, database: Database) -> None:
        self._collection = Collection(database, "mailbox_runtime")

    async def of(self, mailbox: str) -> Wishes:
        """The wishes for one mailbox."""
        return _wishes(await self._collection.get(mailbox) or {})

    async def of_many(self, mailboxes: Iterable[str]) -> dict[str, Wishes]:
        """The wishes for these mailboxes."""
        found = await self._collection.find({"_id": {"$in": list(mailboxes)}}, only=tuple(_FIELDS.values()))
        return {one["_id"]: _wishes(one) for one in found}

    async def open(self) -> dict[str, Wishes]:
        """The wishes for the mailboxes for which one is open. Two round trips, which cost nothing where none is.

        One that a version wrote that did not mark what is open is only in `of_many`.
        """
        found: dict[str, Wishes] = {}
        for mark in _OPEN.values():
            documents = await self._collection.find({mark: 1}, only=tuple(_FIELDS.values()))
            found |= {one["_id"]: _wishes(one) for one in documents}
        return found

    async def ask_reading(self, mailbox: str, who: str, at: datetime) -> Reading:
        """Ask that a mailbox is read at once; returns the wish that is open then. One that is open already stays."""
        while True:
            last = _wishes(await self._document(mailbox)).reading
            if last is not None and last.is_open:
                return last
            wish = Reading(number=_after(last), who=who, asked_at=at)
            if await self._collection.update(_while(mailbox, last, wish), _set(wish)):
                return wish

    async def ask_old_mail(self, mailbox: str, who: str, since: date | None, at: datetime) -> OldMail:
        """Ask how much old mail there is; returns the wish that stands then.

        While some is being taken, or the same is being counted, that stays.
        """
        while True:
            last = _wishes(await self._document(mailbox)).old_mail
            if last is not None and (last.is_taking or (last.is_counting and last.since == since)):
                return last
            wish = OldMail(number=_after(last), who=who, since=since, asked_at=at)
            if await self._collection.update(_while(mailbox, last, wish), _set(wish)):
                return wish

    async def confirm_old_mail(self, mailbox: str, number: int, who: str, at: datetime) -> OldMail | None:
        """Say that the mails of that number, which have been counted, are wanted; returns the wish.

        One that was confirmed before stays as it is. None if somebody has asked something else since.
        """
        last = (await self.of(mailbox)).old_mail
        if last is None or last.number != number or last.is_counting:
            return None
        if last.confirmed_at is not None:
            return last
        wish = last.model_copy(update={"confirmed_by": who, "confirmed_at": at})
        return wish if await self._collection.update(_while(mailbox, last, wish), _set(wish)) else None

    async def note(self, mailbox: str, lease: Lease, wish: Wish) -> bool:
        """Note what came of a wish. False, and nothing noted, if the lease was lost or there is a newer wish."""
        return await self._collection.update({**is_of(mailbox, lease), **_is(wish)}, _set(wish))

    async def _document(self, mailbox: str) -> Document:
        while (document := await self._collection.get(mailbox)) is None:
            await self._collection.insert(skeleton(mailbox))
        return document


def _wishes(document: Document) -> Wishes:
    reading, old_mail = document.get("reading"), document.get("old_mail")
    return Wishes(
        reading=read(Reading, reading) if reading else None, old_mail=read(OldMail, old_mail) if old_mail else None
    )


def _after(last: Wish | None) -> int:
    return last.number + 1 if last is not None else 1


def _while(mailbox: str, last: Wish | None, wish: Wish) -> Filter:
    """Matches while nobody asked again."""
    return {"_id": mailbox, **(_is(last) if last is not None else {_FIELDS[type(wish)]: None})}


def _is(wish: Wish) -> Filter:
    return {f"{_FIELDS[type(wish)]}.number": wish.number}


def _set(wish: Wish) -> Change:
    content = wish.model_dump()
    if isinstance(wish, OldMail) and wish.since is not None:
        content["since"] = wish.since.isoformat()  # the store knows instants only
    return changed({_FIELDS[type(wish)]: content, _OPEN[type(wish)]: int(wish.is_open)})
