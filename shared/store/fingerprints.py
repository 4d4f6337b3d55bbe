"""Fingerprints (collection `fingerprints`): which mail was the first with some content. The first claimant owns it."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from shared.domain.value import Value
from shared.observability.crash_points import crash_point
from shared.store.collection import Collection, Database, Document, changed
from shared.store.failures import Conflict

_TRIES = 5


class Claim(Value):
    """A mail that has a fingerprint. Mails farther apart in time than `window` are not the same (None: no limit)."""

    key: str
    mail_id: str
    at: datetime
    window: timedelta | None = None


class Owner(NamedTuple):
    """The mail that owns a fingerprint."""

    mail_id: str
    at: datetime


def settled(claim: Claim, owner: Owner) -> tuple[str, bool]:
    """The owner (mail_id) that a claim of an owned fingerprint finds, and whether the claimant takes its place. Pure.

    One that is farther away in time than the claim's window does not count: a newer claim takes its place, an older one
    stands for itself beside it.
    """
    if owner.mail_id == claim.mail_id or claim.window is None or abs(claim.at - owner.at) <= claim.window:
        return owner.mail_id, False
    return claim.mail_id, claim.at >= owner.at


class Fingerprints:
    """Who was first."""

    def __init__(self, database: Database) -> None:
        self._collection = Collection(database, "fingerprints")

    async def among(self, keys: Sequence[str]) -> dict[str, Owner]:
        """The owners of those of the keys that have one. Claims nothing."""
        found = await self._collection.find({"_id": {"$in": list(keys)}})
        return {str(one["_id"]): Owner(**one["owner"]) for one in found}

    async def claim(self, claims: Sequence[Claim]) -> dict[str, str]:
        """The owner (mail_id) of each key. If claims of one call share a key, ask `owners` instead."""
        return {claim.key: owner for claim, owner in zip(claims, await self.owners(claims), strict=True)}

    async def owners(self, claims: Sequence[Claim]) -> tuple[str, ...]:
        """The owner (mail_id) for each claim, in their order: the claimant itself if it is the first.

        Whether an owner counts that was there before, `settled` says.
        """
        refused = await self._collection.insert_many([_document(claim) for claim in claims])
        owners = [claim.mail_id for claim in claims]
        if refused:
            crash_point("store.after_claims")
            keys = list({claims[position].key for position in refused})
            there = {one["_id"]: one for one in await self._collection.find({"_id": {"$in": keys}})}
            for position in sorted(refused):
                owners[position] = await self._settle(claims[position], there)
        return tuple(owners)

    async def _settle(self, claim: Claim, there: dict[str, Document]) -> str:
        for _ in range(_TRIES):
            document = there[claim.key]
            owner, replaces = settled(claim, Owner(**document["owner"]))
            if not replaces or await self._replace(claim, document):
                return owner
            there[claim.key] = await self._collection.get(claim.key) or _document(claim)
        raise Conflict("many mails claim one fingerprint at once", where="fingerprints")

    async def _replace(self, claim: Claim, document: Document) -> bool:
        query = {"_id": claim.key, "owner.mail_id": document["owner"]["mail_id"]}
        replaced = await self._collection.update(query, changed({"owner": _document(claim)["owner"]}))
        if replaced:
            document["owner"] = _document(claim)["owner"]
        return replaced


def _document(claim: Claim) -> Document:
    return {"_id": claim.key, "owner": {"mail_id": claim.mail_id, "at": claim.at}}
