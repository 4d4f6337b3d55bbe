"""What has been spent of the budgets for acknowledgements (collection `budgets`), counted across replicas.

An address keeps the times and tickets of its last day, changed by compare-and-set, so that asking again for one ticket
spends nothing; a domain, and all together, have one counter per hour. What is spent is not given back.
"""

import base64
import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from shared.domain.budgets import DAY, Budgets, Scope, budget_address, hour_of
from shared.observability.crash_points import crash_point
from shared.store.collection import Collection, Database, Document, changed, milliseconds

KEPT_HOURS = 26


@dataclass(frozen=True, slots=True)
class Spending:
    """Whether one more may be sent; if not, which budget is spent, and whether this was the first to find it so."""

    refused: Scope | None = None
    first: bool = False


class BudgetCounts:
    """The counters."""

    def __init__(self, database: Database) -> None:
        self._collection = Collection(database, "budgets")

    async def spend(self, budgets: Budgets, ticket_id: str, address: str, domain: str, now: datetime) -> Spending:
        """Count an acknowledgement that is about to be sent to `address`, of the organisation `domain`.

        The address is asked first: a flood by one sender must not spend what others of its domain have.
        """
        if not await self._of_address(budgets, ticket_id, budget_address(address), now):
            return Spending(Scope.ADDRESS)
        crash_point("store.after_address_budget")
        for scope, name in ((Scope.DOMAIN, domain), (Scope.GLOBAL, "all")):
            found = await self._of_hour(scope, name, budgets.per_hour(scope), hour_of(now))
            if found.refused is not None:
                return found
            crash_point("store.after_hour_budget")
        return Spending()

    async def spent(self, now: datetime) -> frozenset[Scope]:
        """Of which scopes a budget of this hour is spent."""
        found = await self._collection.find({"hour": hour_of(now), "spent": 1}, only=("scope",))
        return frozenset(Scope(one["scope"]) for one in found)

    async def forget(self, now: datetime) -> None:
        """Drop counters that decide nothing any more."""
        await self._collection.delete({"hour": {"$lt": hour_of(now) - KEPT_HOURS}})

    async def forget_address(self, address: str) -> None:
        """Drop the counter of an address: its budget is whole again."""
        await self._collection.delete({"_id": f"{Scope.ADDRESS.value}:{_hashed(budget_address(address))}"})

    async def _of_address(self, budgets: Budgets, ticket_id: str, address: str, now: datetime) -> bool:
        key = f"{Scope.ADDRESS.value}:{_hashed(address)}"
        while True:
            document = await self._collection.get(key)
            if document is None:
                await self._collection.insert(_counter(key, Scope.ADDRESS, hour_of(now)))
                continue
            sent: list[dict[str, Any]] = document["sent"]
            if any(one["ticket"] == ticket_id for one in sent):
                return True
            times = [datetime.fromtimestamp(one["ms"] / 1000, UTC) for one in sent]
            if not budgets.address_allows(times, now):
                return False
            kept = [one for one, at in zip(sent, times, strict=True) if at > now - DAY]
            fields = {"sent": [*kept, {"ticket": ticket_id, "ms": milliseconds(now)}], "hour": hour_of(now)}
            query = {"_id": key, "count": document["count"]}
            if await self._collection.update(query, changed(fields, inc={"count": 1})):
                return True

    async def _of_hour(self, scope: Scope, name: str, limit: int, hour: int) -> Spending:
        key = f"{scope.value}:{name}@{hour}"
        while not await self._collection.update({"_id": key, "count": {"$lt": limit}}, changed({}, inc={"count": 1})):
            document = await self._collection.get(key)
            if document is not None and document["count"] >= limit:
                first = await self._collection.update({"_id": key, "spent": 0}, changed({"spent": 1}))
                return Spending(scope, first)
            if document is None:
                await self._collection.insert(_counter(key, scope, hour))
        return Spending()


def _counter(key: str, scope: Scope, hour: int) -> Document:
    return {"_id": key, "scope": scope.value, "hour": hour, "count": 0, "spent": 0, "sent": []}


def _hashed(address: str) -> str:
    return base64.b32encode(hashlib.sha256(address.encode()).digest()[:20]).decode("ascii").lower()
