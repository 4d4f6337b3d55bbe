"""What is deleted of mails that have come to their end (collections `mails`, `mail_words`, raw), and how far that is.

A ledger row is never deleted: without it a mail that is still in its mailbox would be new. It is bared instead: its
identity, its mailbox and what became of it stay, so the books balance and the mail is known under whatever UID it comes
back; who sent it, and what it was about, goes. Only mails that are final are touched, each by a compare-and-set on the
key of the end it came to: who sends a mail again is either earlier, or finds its raw mail gone and sends nothing.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

from shared.domain.decision import Kind
from shared.domain.email import Headline
from shared.domain.ledger import LedgerEntry, State
from shared.mail.words import words
from shared.observability.crash_points import crash_point
from shared.store import seek
from shared.store.collection import Collection, Database, Document, changed, milliseconds
from shared.store.raw import RawMails
from shared.store.seek import Span

_OF_ROW = ("headline", "state", "decision", "history", "gone", "seek", "owed_ms")


class Part(StrEnum):
    """What of a mail goes."""

    RAW = "raw"
    TRACE = "trace"
    ROW = "row"


KINDS: Mapping[Part, tuple[Kind, ...]] = {
    Part.RAW: (Kind.REJECTED,),
    Part.TRACE: tuple(Kind),
    Part.ROW: (Kind.REJECTED, Kind.DUPLICATE),
}
"""Of the mails that came to which end. What belongs to a ticket lives as long as the ticket: its raw mails hold the
attachments, its rows the subject by which it is found."""


class Ended(NamedTuple):
    """A mail that came to its end. `key` is that of its end: it changes whenever the mail moves on."""

    mail_id: str
    key: str
    final: bool
    document: Document

    @property
    def kind(self) -> Kind:
        """How it ended."""
        return Kind(self.document["decision"]["kind"])

    @property
    def subject(self) -> str:
        """What it was about."""
        return str(self.document["headline"]["subject"])

    @property
    def at_rest(self) -> bool:
        """Whether nothing more is to come of it: it is final, and owes no event."""
        return self.final and self.document.get("owed_ms") is None

    def lacks(self, part: Part) -> bool:
        """Whether that part of it has gone."""
        return part.value in (self.document.get("gone") or {})


class Fading:
    """Deletes parts of mails. Every method may be repeated, after a kill at any instant too."""

    def __init__(self, database: Database, raw: RawMails) -> None:
        self._mails = Collection(database, "mails")
        self._words = Collection(database, "mail_words")
        self._places = Collection(database, "fading")
        self._raw = raw

    async def ended(self, kind: Kind, behind: str, until: datetime, limit: int) -> tuple[Ended, ...]:
        """Up to `limit` mails that came to that end before an instant, the earliest first, behind a key ("": all)."""
        span = seek.within(kind.value, Span(until=until))
        above = {"$gt": behind, "$lt": span["$lt"]} if behind else span
        found = await self._mails.find({"seek.outcome": above}, only=_OF_ROW, sort=(("seek.outcome", 1),), limit=limit)
        return tuple(_ended(one) for one in found)

    async def named(self, mail_ids: Sequence[str]) -> tuple[Ended, ...]:
        """These mails."""
        return tuple(_ended(one) for one in await self._mails.find({"_id": {"$in": list(mail_ids)}}, only=_OF_ROW))

    async def from_sender(self, address: str) -> tuple[str, ...]:
        """The mail_ids of all that came from a (normalised) address, and whose rows still say so."""
        found = await self._mails.find({"seek.sender": seek.within(address)}, only=("state",))
        return tuple(one["_id"] for one in found)

    async def of_ticket(self, ticket_id: str) -> tuple[str, ...]:
        """The mail_ids of all that opened a ticket, were appended to it, or counted on it."""
        return tuple(one["_id"] for one in await self._mails.find({"decision.ticket_id": ticket_id}, only=("state",)))

    async def drop(self, part: Part, mails: Sequence[Ended], at: datetime) -> int:
        """Delete that part of mails; how many had it. One that has moved on meanwhile keeps it."""
        match part:
            case Part.RAW:
                return await self.drop_raws(mails, at)
            case Part.TRACE:
                return await self.drop_traces(mails, at)
            case Part.ROW:
                return await self.drop_rows(mails, at)

    async def drop_raws(self, mails: Sequence[Ended], at: datetime) -> int:
        """Delete their bytes. The row says so first: from then on nobody sends the mail again."""
        marks = {"gone.raw": milliseconds(at)}
        count = await self._change((one, marks) for one in mails if not one.lacks(Part.RAW))
        await self._delete_raws(mails)
        return count

    async def drop_traces(self, mails: Sequence[Ended], at: datetime) -> int:
        """Delete what the stages said of them."""
        whole = [one for one in mails if not one.lacks(Part.TRACE)]
        return await self._change((one, _untraced(one, at)) for one in whole)

    async def drop_rows(self, mails: Sequence[Ended], at: datetime) -> int:
        """Bare their rows; their bytes go with it. The words of their subjects first: the row knows which they are."""
        whole = [one for one in mails if not one.lacks(Part.ROW)]
        await self._delete_words((one.mail_id, one.subject) for one in whole)
        count = await self._change((one, _bared(one, at, _kept_headline(one))) for one in whole)
        await self._delete_raws(mails)
        return count

    async def erase(self, one: Ended, at: datetime) -> bool:
        """Bare the row of a mail of whatever end, after its bytes and its words; False if it has moved on."""
        if await self.drop_raws([one], at) == 0 and not one.lacks(Part.RAW):
            return False
        crash_point("store.after_erased_raw")
        await self._delete_words([(one.mail_id, one.subject)])
        fields = _bared(one, at, Headline()) | {"gone.erased": milliseconds(at)}
        return await self._change([(one, fields)]) == 1

    async def keep_away(self, entries: Sequence[LedgerEntry]) -> None:
        """Delete again, of mails that were taken once more, what had gone of them."""
        rows = await self.named([one.mail_id for one in entries])
        bare = {one.mail_id for one in rows if one.lacks(Part.ROW)}
        await self._delete_raws(rows)
        await self._delete_words((one.mail_id, one.headline.subject) for one in entries if one.mail_id in bare)

    async def place(self, walk: str) -> str:
        """How far a walk is: the key behind which it goes on; empty before the first time."""
        document = await self._places.get(walk)
        return str(document["key"]) if document else ""

    async def reached(self, walk: str, key: str) -> None:
        """Say how far it is. Of several who walk, the last word counts: what was looked at twice is as it was."""
        while not await self._places.update({"_id": walk}, changed({"key": key})):
            if await self._places.insert({"_id": walk, "key": key}):
                return

    async def _change(self, changes: Iterable[tuple[Ended, Document]]) -> int:
        count = await self._mails.update_each((_as_read(one), changed(fields)) for one, fields in changes)
        crash_point("store.after_fading")
        return count

    async def _delete_raws(self, mails: Sequence[Ended]) -> None:
        """Of those only whose row says so: the others have moved on."""
        ids = [one.mail_id for one in mails]
        rows = await self._mails.find({"_id": {"$in": ids}}, only=("gone",)) if ids else []
        await self._raw.delete_many([one["_id"] for one in rows if Part.RAW.value in (one.get("gone") or {})])

    async def _delete_words(self, subjects: Iterable[tuple[str, str]]) -> None:
        keys = [f"{mail_id}/{word}" for mail_id, subject in subjects for word in words(subject)]
        if keys:
            await self._words.delete({"_id": {"$in": keys}})
            crash_point("store.after_faded_words")


def _ended(document: Document) -> Ended:
    final = document["state"] == State.DONE.value
    return Ended(document["_id"], str(document["seek"]["outcome"]), final, document)


def _as_read(one: Ended) -> Document:
    return {"_id": one.mail_id, "state": State.DONE.value, "seek.outcome": one.key}


def _untraced(one: Ended, at: datetime) -> Document:
    before: list[Document] = one.document.get("history") or []
    history: list[Document] = [{**replaced, "trace": []} for replaced in before]
    return {"trace": [], "gone.trace": milliseconds(at), **({"history": history} if history else {})}


def _bared(one: Ended, at: datetime, headline: Headline) -> Document:
    """What is left says which mail it is and what became of it, and nothing of its content."""
    return {
        "headline": headline.model_dump(),
        "decision": {**one.document["decision"], "sentence": ""},
        "trace": [],
        "history": [],
        "failure": None,
        "replay": None,
        "seek.sender": None,
        "seek.domain": None,
        **{f"gone.{part.value}": milliseconds(at) for part in Part if not one.lacks(part)},
    }


def _kept_headline(one: Ended) -> Headline:
    """The Message-ID of a repeat stays: answers to it belong to its ticket."""
    message_id = one.document["headline"]["message_id"]
    return Headline(message_id=message_id if one.kind is Kind.DUPLICATE else None)
