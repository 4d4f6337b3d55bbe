"""What people ask of whoever reads a mailbox, as the store keeps it."""

from datetime import UTC, datetime, timedelta

from shared.domain.mailbox_runtime import Lease
from shared.domain.wishes import Reading
from shared.observability.metrics import Metrics
from shared.store.client import Store
from shared.store.settings import StoreSettings
from tests.support.embedded_store import FakeClock

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


async def lease_of(store: Store, mailbox: str) -> Lease:
    lease = await store.runtime.acquire(mailbox, "fetcher-1", timedelta(seconds=30))
    assert lease is not None
    return lease


async def fulfil(store: Store, mailbox: str, wish: Reading) -> bool:
    return await store.wishes.note(mailbox, await lease_of(store, mailbox), wish.model_copy(update={"ended_at": NOW}))


async def test_only_mailboxes_of_which_something_is_wanted_are_among_the_open_ones(store: Store) -> None:
    for name in ("quiet", "asked", "fulfilled"):
        await lease_of(store, name)
    await store.wishes.ask_reading("asked", "ada", NOW)
    assert await fulfil(store, "fulfilled", await store.wishes.ask_reading("fulfilled", "ada", NOW))
    assert set(await store.wishes.open()) == {"asked"}


async def test_an_open_wish_of_either_kind_is_found_whatever_became_of_the_other(store: Store) -> None:
    reading = await store.wishes.ask_reading("support", "ada", NOW)
    wanted = await store.wishes.ask_old_mail("support", "ada", None, NOW)
    assert await fulfil(store, "support", reading)
    found = await store.wishes.open()
    assert found["support"].old_mail == wanted
    counted = wanted.model_copy(update={"count": 3, "place": "support/1/INBOX"})
    assert await store.wishes.note("support", await lease_of(store, "support"), counted)
    assert await store.wishes.open() == {}, "now a person has to confirm it"
    await store.wishes.confirm_old_mail("support", wanted.number, "ada", NOW)
    assert set(await store.wishes.open()) == {"support"}


async def test_a_wish_of_an_older_version_is_among_all(store: Store) -> None:
    """It did not mark what is open."""
    wish = await store.wishes.ask_reading("support", "ada", NOW)
    await store.collection("mailbox_runtime").update({"_id": "support"}, {"$unset": {"reading_open": ""}})
    assert await store.wishes.open() == {}
    assert (await store.wishes.of_many(["support"]))["support"].reading == wish


async def test_looking_for_open_wishes_costs_two_round_trips(store_settings: StoreSettings, clock: FakeClock) -> None:
    """However many mailboxes there are."""
    metrics = Metrics("fetcher", "0")
    store = await Store.open(store_settings, clock=clock, metrics=metrics)
    for number in range(20):
        await lease_of(store, f"box-{number}")
    asked = metrics.store_commands.labels("mailbox_runtime", "find")
    before = next(one.value for family in asked.collect() for one in family.samples)
    assert await store.wishes.open() == {}
    assert next(one.value for family in asked.collect() for one in family.samples) - before == 2
    await store.close()
