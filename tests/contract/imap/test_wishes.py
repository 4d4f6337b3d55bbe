"""A mailbox that people want read at once: the real Dovecot, the real store, a whole watch."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

from services.all_in_one.demo.dovecot import Dovecot
from shared.domain.mailbox_runtime import Phase
from shared.domain.wishes import Reading
from shared.store.client import Store
from shared.store.settings import StoreSettings
from tests.contract.imap.test_following_mailboxes import has, is_in
from tests.support.canary import secret
from tests.support.dying import dies
from tests.support.fetching import NAME, Published, eventually, following, support_mailbox, tools
from tests.support.imap import USER, mail


def now() -> datetime:
    """As the store keeps it."""
    return datetime.now(UTC).replace(microsecond=0)


SOON = 5.0
"""Seconds in which a wish must be fulfilled; nothing else here looks sooner than after some minutes."""


async def ask(store: Store) -> Reading:
    return await store.wishes.ask_reading(NAME, "ada", now())


def ended(store: Store, wish: Reading) -> Callable[[], Awaitable[bool]]:
    async def ready() -> bool:
        last = (await store.wishes.of(NAME)).reading
        return last is not None and last.number == wish.number and not last.is_open

    return ready


async def reading(store: Store) -> Reading:
    found = (await store.wishes.of(NAME)).reading
    assert found is not None
    return found


async def lay_below_the_cursor(dovecot: Dovecot, store: Store) -> None:
    """A mail that only a full pass finds: its UID is known as that of another mail's, until the sighting goes."""
    deleted = await store.collection("sightings").delete({"mailbox": NAME, "uid": 1})
    assert deleted == 1


async def test_a_mailbox_in_idle_is_read_as_a_whole_at_once(dovecot: Dovecot, store: Store) -> None:
    dovecot.deliver(USER, mail(1))
    await store.mailboxes.put(support_mailbox(dovecot, poll_seconds=3600), {})
    async with following(store, tools(store, Published())):
        await eventually(is_in(store, Phase.IDLE))
        await lay_below_the_cursor(dovecot, store)
        wish = await ask(store)
        await eventually(ended(store, wish), SOON)
        status = await store.runtime.status(NAME)
    found = await reading(store)
    assert found.ended_at is not None and found.failure == ""
    assert found.ended_at >= wish.asked_at
    assert status is not None and status.state is Phase.IDLE
    cursor = await store.runtime.cursor(NAME, "INBOX")
    assert cursor is not None
    assert await store.sightings.known(NAME, "INBOX", cursor.validity, [1]) == {1}, "every UID was looked at"


async def test_one_that_waits_after_an_error_is_tried_at_once_and_the_failure_is_told(
    dovecot: Dovecot, store: Store
) -> None:
    """A rejected password waits for 15 minutes; the wish ends with the reason, and the next one is heard too."""
    mailbox = support_mailbox(dovecot, password=secret("wrong"))
    published = Published()
    await store.mailboxes.put(mailbox, {})
    dovecot.deliver(USER, mail(1))
    async with following(store, tools(store, published)):
        await eventually(is_in(store, Phase.NEEDS_ATTENTION))
        first = await ask(store)
        await eventually(ended(store, first), SOON + 5)
        refused = await reading(store)
        assert "refuses" in refused.failure
        assert secret("wrong") not in refused.failure
        support_mailbox(dovecot)  # the file of the password, mended
        assert published.messages == []
        second = await ask(store)
        await eventually(has(published, 1), SOON)
        await eventually(ended(store, second), SOON)
    assert (await reading(store)).failure == ""
    assert second.number == first.number + 1


async def test_a_wish_that_meets_a_dead_connection_is_fulfilled_by_the_next_one(dovecot: Dovecot, store: Store) -> None:
    await store.mailboxes.put(support_mailbox(dovecot), {})
    async with following(store, tools(store, Published())):
        await eventually(is_in(store, Phase.IDLE))
        await dovecot.kill()
        await dovecot.start()
        wish = await ask(store)
        await eventually(ended(store, wish), SOON)
    assert (await reading(store)).failure == ""


async def test_wishes_at_once_are_one_and_a_repeated_one_changes_nothing(store: Store) -> None:
    first = await ask(store)
    assert (first.number, first.is_open) == (1, True)
    assert await store.wishes.ask_reading(NAME, "bob", now()) == first
    lease = await store.runtime.acquire(NAME, "f", tools(store, Published()).ttl)
    assert lease is not None
    done = first.model_copy(update={"ended_at": now()})
    assert not await store.wishes.note(NAME, lease.model_copy(update={"token": 0}), done), "fenced"
    assert await store.wishes.note(NAME, lease, done)
    assert await reading(store) == done
    assert (await ask(store)).number == 2
    assert not await store.wishes.note(NAME, lease, done), "that wish is not the last one any more"
    assert (await reading(store)).is_open


async def test_a_fetcher_that_dies_once_a_wish_is_ended_leaves_it_so(
    dovecot: Dovecot, store: Store, store_settings: StoreSettings
) -> None:
    dovecot.deliver(USER, mail(1))
    await store.mailboxes.put(support_mailbox(dovecot), {})
    wish = await ask(store)
    await dies(store_settings, "fetcher.after_reading", "follows")
    ended_then = await reading(store)
    assert (ended_then.number, ended_then.is_open, ended_then.failure) == (wish.number, False, "")
    async with following(store, tools(store, Published()), "victim"):
        await eventually(is_in(store, Phase.IDLE))
    assert await reading(store) == ended_then
    assert len([row async for row in store.ledger.iter_all()]) == 1
