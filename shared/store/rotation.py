"""Changing the key: every sealed thing in the store is wrapped anew by the current key. No secret is opened for it.

Each document is one compare-and-set of its own, so a rotation may be killed anywhere and run again, and a change that
somebody makes meanwhile is neither lost nor undone: whoever writes beside it must guard by the same fields.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple, Self

from shared.domain.errors import ConfigurationError
from shared.observability.crash_points import crash_point
from shared.store.collection import Change, Collection, Database, Document, changed
from shared.store.encryption import Sealed, Vault


class Place(NamedTuple):
    """Where sealed things are: in `field` of every document of a collection, one or a list of them.

    `guards` are fields of which one is changed by whatever changes the secrets. `counter` is the guard that a rotation
    changes itself: needed where somebody writes sealed things back as they were read, which would undo it; who always
    seals anew must not be disturbed (a renewed sign-in that is not stored is lost). `words` say whose it is, by the
    document's key.
    """

    collection: str
    field: str
    guards: tuple[str, ...]
    counter: str | None
    words: str


PLACES = (
    Place("mailboxes", "secrets", ("revision", "secrets_rev"), "secrets_rev", "mailbox {}"),
    Place("sign_ins", "sealed", ("rev",), None, "sign-in of mailbox {}"),
    Place("drafts", "sealed", ("mark",), None, "draft of mailbox and user {}"),
)
"""Every place in the store that holds sealed secrets."""


class Fate(StrEnum):
    """What a rotation finds: a secret that is under the current key, one that it re-wraps, or one that it cannot."""

    CURRENT = "current"
    REWRAPPED = "rewrapped"
    LEFT = "left"


@dataclass(frozen=True, slots=True)
class Found:
    """One sealed thing: where, under which key it was found, and what became of it."""

    where: str
    key_id: str
    fate: Fate
    problem: ConfigurationError | None = None


@dataclass(frozen=True, slots=True)
class Report:
    """What a rotation did: how many it re-wrapped, how many were under the current key before, and what is left."""

    rewrapped: int
    already: int
    left: tuple[Found, ...]

    @classmethod
    def of(cls, walk: Sequence[Found]) -> Self:
        """What one walk did, or would do."""
        left = tuple(one for one in walk if one.fate is Fate.LEFT)
        return cls(_number(walk, Fate.REWRAPPED), _number(walk, Fate.CURRENT), left)


class Rotation:
    """Looks through all sealed things, and re-wraps them."""

    def __init__(self, database: Database, vault: Vault) -> None:
        self._places = tuple((place, Collection(database, place.collection)) for place in PLACES)
        self._vault = vault

    def current_key(self) -> str:
        """The id of the key that everything should be under. Raises ConfigurationError without a usable key."""
        return self._vault.keys.current().key_id

    async def look(self) -> tuple[Found, ...]:
        """Every sealed thing, and what a rotation would do with it. Writes nothing."""
        return await self._walk(write=False)

    async def rewrap(self) -> Report:
        """Re-wrap all, walking until a whole walk finds nothing to do: what it says is current, it has unwrapped.

        Raises ConfigurationError without a usable current key, StoreUnavailable; it may be run again after anything.
        """
        first = last = Report.of(await self._walk(write=True))
        rewrapped = first.rewrapped
        while last.rewrapped:
            last = Report.of(await self._walk(write=True))
            rewrapped += last.rewrapped
        return Report(rewrapped, first.already, last.left)

    async def _walk(self, *, write: bool) -> tuple[Found, ...]:
        self.current_key()
        found: list[Found] = []
        for place, collection in self._places:
            for one in await collection.find({}, only=("_id",), sort=(("_id", 1),)):
                found += await self._document(place, collection, str(one["_id"]), write=write)
        return tuple(found)

    async def _document(self, place: Place, collection: Collection, key: str, *, write: bool) -> list[Found]:
        """One document; read again and repeated as long as somebody else is faster."""
        while (document := await collection.get(key)) is not None:
            pairs = [self._one(place, key, sealed) for sealed in _things(document.get(place.field))]
            found = [one for one, _ in pairs]
            if not write or not _number(found, Fate.REWRAPPED):
                return found
            rewrapped = await collection.update(*_guarded(place, document, [after for _, after in pairs]))
            crash_point("store.after_rewrap")
            if rewrapped:
                return found
        return []

    def _one(self, place: Place, key: str, sealed: Sealed) -> tuple[Found, Sealed]:
        field = f", {sealed['field']}" if "field" in sealed else ""
        where, key_id = f"{place.words.format(key)}{field}", str(sealed.get("key_id"))
        try:
            after = self._vault.rewrap(sealed)
        except ConfigurationError as error:
            problem = ConfigurationError(error.what, where=where, remedy=error.remedy, code=error.code)
            return Found(where, key_id, Fate.LEFT, problem), sealed
        return Found(where, key_id, Fate.CURRENT if after == sealed else Fate.REWRAPPED), after


def _number(found: Iterable[Found], fate: Fate) -> int:
    return sum(one.fate is fate for one in found)


def _things(value: Sealed | list[Sealed] | None) -> list[Sealed]:
    return value if isinstance(value, list) else [value] if value else []


def _guarded(place: Place, document: Document, after: list[Sealed]) -> tuple[Document, Change]:
    """The update of a document, only if nobody changed it since it was read."""
    query = {"_id": document["_id"], **{guard: document.get(guard) for guard in place.guards}}
    value = after if isinstance(document[place.field], list) else after[0]
    counted = {"inc": {place.counter: 1}} if place.counter else {}
    return query, changed({place.field: value}, **counted)
