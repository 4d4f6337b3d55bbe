"""Leases of many mailboxes are renewed in one go, each with its own fate; on the real store."""

import asyncio
from datetime import timedelta

import pytest

from services.fetcher.renewals import Renewals
from shared.domain.errors import StoreUnavailable
from shared.domain.mailbox_runtime import Lease
from shared.observability.metrics import Metrics
from shared.store.client import Store
from shared.store.settings import StoreSettings
from tests.support.embedded_store import FakeClock

TTL = timedelta(seconds=30)


async def taken(store: Store, name: str, holder: str = "here") -> Lease:
    lease = await store.runtime.acquire(name, holder, TTL)
    assert lease is not None
    return lease


async def test_many_are_renewed_by_two_round_trips(store_settings: StoreSettings, clock: FakeClock) -> None:
    metrics = Metrics("fetcher", "0")
    store = await Store.open(store_settings, clock=clock, metrics=metrics)
    leases = {f"box-{n}": await taken(store, f"box-{n}") for n in range(20)}

    def trips() -> float:
        return sum(sample.value for family in metrics.store_commands.collect() for sample in family.samples)

    before = trips()
    renewals = Renewals(store.runtime, 2 * TTL)
    found = await asyncio.gather(*(renewals.renew(name, lease) for name, lease in leases.items()))
    assert trips() - before == 2
    assert await store.runtime.leases() == dict(zip(leases, found, strict=True))
    assert all(new is not None and new.expires_at > leases["box-0"].expires_at for new in found)
    await store.close()


async def test_one_that_was_lost_costs_the_others_nothing(store: Store) -> None:
    """To somebody else, or because the store was put back to an older copy."""
    kept, lost, unknown = await taken(store, "kept"), await taken(store, "lost"), await taken(store, "put-back")
    await store.runtime.release("lost", lost)
    other = await taken(store, "lost", "there")
    ahead = unknown.model_copy(update={"expires_at": unknown.expires_at + TTL})
    renewals = Renewals(store.runtime, TTL)
    found = await asyncio.gather(
        renewals.renew("kept", kept), renewals.renew("lost", lost), renewals.renew("put-back", ahead)
    )
    assert found[0] is not None and found[1:] == [None, None]
    held = await store.runtime.leases()
    assert (held["kept"], held["lost"], held["put-back"]) == (found[0], other, unknown)


async def test_who_is_cancelled_keeps_nobody_from_their_renewal(store: Store) -> None:
    first, second = await taken(store, "first"), await taken(store, "second")
    renewals = Renewals(store.runtime, TTL)
    going = asyncio.create_task(renewals.renew("first", first))
    staying = asyncio.create_task(renewals.renew("second", second))
    await asyncio.sleep(0)
    going.cancel()
    assert await staying is not None
    with pytest.raises(asyncio.CancelledError):
        await going


async def test_a_store_that_is_away_is_told_to_each_and_asked_again_the_next_time(
    store_settings: StoreSettings, clock: FakeClock
) -> None:
    store = await Store.open(store_settings, clock=clock)
    first, second = await taken(store, "first"), await taken(store, "second")
    runtime = store.runtime
    asked: list[int] = []

    class Away:
        """The store's runtime, which does not answer the first time."""

        def __getattr__(self, name: str) -> object:
            return getattr(runtime, name)

        async def renew_many(self, leases: dict[str, Lease], ttl: timedelta) -> dict[str, Lease]:
            asked.append(len(leases))
            if len(asked) == 1:
                raise StoreUnavailable("away")
            return await runtime.renew_many(leases, ttl)

    renewals = Renewals(Away(), TTL)  # type: ignore[arg-type]  # all but one method are the real ones
    found = await asyncio.gather(
        renewals.renew("first", first), renewals.renew("second", second), return_exceptions=True
    )
    assert [type(one) for one in found] == [StoreUnavailable, StoreUnavailable]
    assert await renewals.renew("first", first) is not None
    assert asked == [2, 1]
    await store.close()
