"""The indexes. Unique ones are what keeps doubles out: a service does not run without them."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, NamedTuple
from uuid import uuid4

from pymongo import ASCENDING, IndexModel

from shared.domain.errors import ConfigurationError
from shared.store.collection import Collection

if TYPE_CHECKING:
    from shared.store.client import Store


class Index(NamedTuple):
    """An index: its collection, its fields (all ascending; it is read in both directions), and whether it is unique.

    `verified` is off for GridFS: merely listing the indexes of its collections, before they exist, makes the embedded
    server (nx-27017 0.8) build tables that it cannot use.
    """

    collection: str
    fields: tuple[str, ...]
    unique: bool = False
    verified: bool = True


PROBE = Index("index_probe", ("probe",), unique=True)
"""Used by nothing but the proof that the server keeps a unique index."""

INDEXES = (
    Index("mails", ("retry_ms",)),
    Index("mails", ("stall_ms",)),
    Index("mails", ("owed_ms",)),
    Index("mails", ("stored_at",)),
    Index("mails", ("headline.message_id",)),
    Index("mails", ("seek.all",)),
    Index("mails", ("seek.mailbox",)),
    Index("mails", ("seek.sender",)),
    Index("mails", ("seek.domain",)),
    Index("mails", ("seek.outcome",)),
    Index("mails", ("seek.reason",)),
    Index("mail_words", ("key",)),
    Index("mails", ("decision.ticket_id",)),
    Index("mails", ("origin.outline_id",)),
    Index("tickets", ("number",), unique=True),
    Index("tickets", ("origin_mail_id",), unique=True),
    Index("tickets", ("owed_ms",)),
    Index("tickets", ("created_at",)),
    Index("tickets", ("acknowledged",)),
    Index("tickets", ("seek.all",)),
    Index("tickets", ("seek.mailbox",)),
    Index("tickets", ("seek.requester",)),
    Index("tickets", ("seek.service",)),
    Index("tickets", ("seek.department",)),
    Index("tickets", ("seek.acknowledgement",)),
    Index("outbound", ("look_ms",)),
    Index("outbound", ("show_ms",)),
    Index("outbound", ("status.state",)),
    Index("outbound", ("since_ms",)),
    Index("budgets", ("hour",)),
    Index("articles", ("ticket_id",)),
    Index("articles", ("owed_ms",)),
    Index("articles", ("at_ms",)),
    Index("sightings", ("place",)),
    Index("sightings", ("mailbox",)),
    Index("sightings", ("content_id",)),
    Index("sightings", ("state",)),
    Index("raw_large.chunks", ("files_id",), verified=False),
    Index("mailbox_runtime", ("reading_open",)),
    Index("mailbox_runtime", ("old_mail_open",)),
    Index("mailbox_versions", ("name",)),
    Index("audit", ("name",)),
    Index("statistics", ("hour_number",)),
    Index("rates", ("expires_ms",)),
    Index("sessions", ("user",)),
    Index("sessions", ("began_ms",)),
    PROBE,
)
"""Every index but those on `_id`, which every collection has."""


async def ensure_indexes(store: "Store") -> None:
    """Make the indexes that are missing."""
    for name, indexes in _by_collection(INDEXES).items():
        models = [IndexModel([(field, ASCENDING) for field in one.fields], unique=one.unique) for one in indexes]
        await store.collection(name).ensure(models)


async def verify_indexes(store: "Store") -> None:
    """Raise ConfigurationError if an index is missing, or if the server does not keep a unique one."""
    missing: list[str] = []
    for name, indexes in _by_collection([one for one in INDEXES if one.verified]).items():
        there = await store.collection(name).indexes()
        missing += [_named(one) for one in indexes if (one.fields, one.unique) not in there]
    if missing:
        raise _error(f"the store lacks indexes: {', '.join(missing)}")
    await _prove(store.collection(PROBE.collection))


def _by_collection(indexes: Iterable[Index]) -> dict[str, list[Index]]:
    found: dict[str, list[Index]] = {}
    for one in indexes:
        found.setdefault(one.collection, []).append(one)
    return found


async def _prove(probe: Collection) -> None:
    """Two documents with one value of a unique key: the second must be refused."""
    value = uuid4().hex
    first = await probe.insert({"_id": f"{value}-1", "probe": value})
    second = await probe.insert({"_id": f"{value}-2", "probe": value})
    await probe.delete({"probe": value})
    if not first or second:
        raise _error("the store does not keep a unique index: a second document with the same key was taken")


def _named(index: Index) -> str:
    return f"{index.collection}({', '.join(index.fields)}){' unique' if index.unique else ''}"


def _error(what: str) -> ConfigurationError:
    remedy = "run `mail-automator store init` (a unique index cannot be made while doubles are there)"
    return ConfigurationError(what, where="store", remedy=remedy, code="indexes_missing")
