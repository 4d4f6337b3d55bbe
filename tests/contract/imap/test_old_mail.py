"""Mail from before a mailbox began, imported because somebody asks for it: the real Dovecot, the real store."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, date, datetime, timedelta

import pytest

from services.all_in_one.demo.dovecot import Dovecot
from services.fetcher.handler import Limits
from shared.contracts.messages import EmailFetched
from shared.domain.ledger import LedgerEntry
from shared.domain.mailbox import AfterFetch, AfterFetchAction
from shared.domain.mailbox_runtime import Phase
from shared.domain.sighting import Sight
from shared.domain.wishes import OldMail
from shared.store.client import Store
from shared.store.settings import StoreSettings
from tests.contract.imap.test_following_mailboxes import finish, has, is_in
from tests.support.dovecot import USERS
from tests.support.dying import dies
from tests.support.fetching import NAME, Published, eventually, following, support_mailbox, tools
from tests.support.imap import USER, logged_in, mail

BEGAN = datetime(2026, 10, 1, 12, tzinfo=UTC)
OCTOBER = date(2026, 10, 1)
AN_HOUR_AGO = datetime.now(UTC) - timedelta(hours=1)


def lay_old(dovecot: Dovecot) -> None:
    """Ten mails of September, and twenty since October; their order is not that of their dates."""
    for number in range(30):
        days = number - 10 if number % 2 else 19 - number
        dovecot.deliver(USER, mail(number), received=BEGAN + timedelta(days=days))


def of_october() -> set[bytes]:
    return {mail(n) for n in range(30) if (n - 10 if n % 2 else 19 - n) >= 0}


def now() -> datetime:
    return datetime.now(UTC).replace(microsecond=0)


async def old_mail(store: Store) -> OldMail:
    found = (await store.wishes.of(NAME)).old_mail
    assert found is not None
    return found


def is_so(store: Store, check: Callable[[OldMail], bool]) -> Callable[[], Awaitable[bool]]:
    async def ready() -> bool:
        return check(await old_mail(store))

    return ready


async def counted(store: Store, since: date | None = None) -> OldMail:
    wish = await store.wishes.ask_old_mail(NAME, "ada", since, now())
    await eventually(is_so(store, lambda one: one.number == wish.number and one.count is not None), 10)
    return await old_mail(store)


async def imported(store: Store, since: date | None = None) -> OldMail:
    wish = await counted(store, since)
    assert await store.wishes.confirm_old_mail(NAME, wish.number, "ada", now())
    await eventually(is_so(store, lambda one: one.ended_at is not None), 30)
    return await old_mail(store)


async def entries(store: Store) -> list[LedgerEntry]:
    return list(await store.ledger.recent(NAME, 1000))


async def begin_from_now(dovecot: Dovecot, store: Store, **imap: object) -> None:
    """A mailbox that takes mail from now on has connected once."""
    await store.mailboxes.put(support_mailbox(dovecot, start_from="now", **imap), {})
    async with following(store, tools(store, Published())):
        await eventually(is_in(store, Phase.IDLE))


async def test_old_mail_since_a_day_is_counted_and_taken_once_and_the_rest_stays_where_it_is(
    dovecot: Dovecot, store: Store
) -> None:
    lay_old(dovecot)
    await begin_from_now(dovecot, store)
    new = {mail(number) for number in range(100, 105)}
    for raw in new:
        dovecot.deliver(USER, raw, received=datetime.now(UTC))
    published = Published()
    async with following(store, tools(store, published)):
        await eventually(has(published, 5))
        assert {one.raw for one in published.messages} == new
        count = await counted(store, OCTOBER)
        assert (count.count, count.confirmed_at, count.since) == (20, None, OCTOBER)
        assert len(await entries(store)) == 5, "counting takes nothing"
        done = await imported(store, OCTOBER)
        assert (done.count, done.failure, done.confirmed_by) == (20, "", "ada")
        await eventually(is_in(store, Phase.IDLE))
        again = await imported(store, OCTOBER)
        assert again.count == 0
        dovecot.deliver(USER, mail(200), received=datetime.now(UTC))
        await eventually(has(published, 26))
    taken = [one for one in published.messages if one.imported]
    assert {one.raw for one in taken} == of_october()
    assert len(published.messages) == len(set(published.mail_ids)) == 26
    assert {one.raw for one in published.messages if not one.imported} == {*new, mail(200)}
    marked = {one.mail_id for one in await entries(store) if one.origin.imported}
    assert marked == {one.mail_id for one in taken}
    async with following(store, tools(store, published)):
        assert (await imported(store)).count == 10, "and then all that is left"
        await eventually(is_in(store, Phase.IDLE))
    assert len(published.messages) == len(set(published.mail_ids)) == 36


async def test_many_old_mails_hold_up_no_new_one(dovecot: Dovecot, store: Store) -> None:
    for number in range(450):
        dovecot.deliver(USER, mail(number), received=BEGAN + timedelta(minutes=number))
    await begin_from_now(dovecot, store)

    class Meanwhile(Published):
        """Somebody writes a mail once the first old ones are ours."""

        async def publish_fetched(self, messages: Sequence[EmailFetched]) -> None:
            if messages and not self.messages:
                dovecot.deliver(USER, mail(1000), received=datetime.now(UTC))
            await super().publish_fetched(messages)

    published = Meanwhile()
    async with following(store, tools(store, published, Limits(batch=50))):
        wish = await counted(store)
        await store.wishes.confirm_old_mail(NAME, wish.number, "ada", now())
        await eventually(is_so(store, lambda one: one.ended_at is not None), 60)
        await eventually(has(published, 451))
    order = [one.raw for one in published.messages]
    assert len(set(published.mail_ids)) == 451
    assert order.index(mail(1000)) in (200, 400), "it came between two pages of old mail"


async def test_a_mailbox_that_took_everything_has_no_old_mail(dovecot: Dovecot, store: Store) -> None:
    dovecot.deliver(USER, mail(1), received=BEGAN)
    await store.mailboxes.put(support_mailbox(dovecot), {})
    async with following(store, tools(store, Published())):
        await eventually(is_in(store, Phase.IDLE))
        assert (await counted(store)).count == 0
        assert (await imported(store)).failure == ""
    assert len(await entries(store)) == 1


@pytest.mark.parametrize("point", ["fetcher.after_raw", "fetcher.after_ledger", "fetcher.after_sightings"])
async def test_a_fetcher_that_dies_in_the_middle_loses_nothing_and_doubles_nothing(
    dovecot: Dovecot, store: Store, store_settings: StoreSettings, point: str
) -> None:
    """Batches of 50: the first one is on its way, the others are not. Another fetcher goes on."""
    for number in range(120):
        dovecot.deliver(USER, mail(number), received=BEGAN + timedelta(minutes=number))
    await begin_from_now(dovecot, store)
    async with following(store, tools(store, Published())):
        wish = await counted(store)
    assert await store.wishes.confirm_old_mail(NAME, wish.number, "ada", now())
    await dies(store_settings, point, "follows")
    assert (await old_mail(store)).is_taking
    assert len(await entries(store)) == (0 if point == "fetcher.after_raw" else 50)
    await store.collection("mailbox_runtime").update({"_id": NAME}, {"$set": {"lease.holder": ""}})
    published = Published()
    async with following(store, tools(store, published), "another"):
        await eventually(is_so(store, lambda one: one.ended_at is not None), 30)
    found = await entries(store)
    assert len(found) == len({one.origin.content_id for one in found}) == 120
    assert all(one.origin.imported for one in found)
    assert len(published.messages) == (120 if point == "fetcher.after_raw" else 70)


@pytest.mark.parametrize("point", ["fetcher.after_count", "fetcher.after_old_mail"])
async def test_what_a_fetcher_noted_before_it_died_holds(
    dovecot: Dovecot, store: Store, store_settings: StoreSettings, point: str
) -> None:
    lay_old(dovecot)
    await begin_from_now(dovecot, store)
    wish = await store.wishes.ask_old_mail(NAME, "ada", OCTOBER, now())
    if point == "fetcher.after_old_mail":
        async with following(store, tools(store, Published()), "victim"):
            await eventually(is_so(store, lambda one: one.count is not None))
        assert await store.wishes.confirm_old_mail(NAME, wish.number, "ada", now())
    await dies(store_settings, point, "follows")
    noted = await old_mail(store)
    assert (noted.count, noted.ended_at is not None) == (20, point == "fetcher.after_old_mail")
    async with following(store, tools(store, Published()), "victim"):
        await eventually(is_in(store, Phase.IDLE))
    assert await old_mail(store) == noted
    assert len(await entries(store)) == (20 if point == "fetcher.after_old_mail" else 0)


@pytest.mark.parametrize("doomed", ["dovecot-uidlist", "dovecot*"])
async def test_imported_mail_that_is_renumbered_is_known_and_the_rest_can_still_be_imported(
    dovecot: Dovecot, store: Store, doomed: str
) -> None:
    lay_old(dovecot)
    await begin_from_now(dovecot, store)
    published = Published()
    async with following(store, tools(store, published)):
        assert (await imported(store, OCTOBER)).count == 20
        await eventually(is_in(store, Phase.IDLE))
    await dovecot.stop()
    for file in list(dovecot.maildir(USER).glob(doomed)):
        file.unlink()
    await dovecot.start()
    async with following(store, tools(store, published)):
        await eventually(is_in(store, Phase.IDLE))
        assert (await counted(store, OCTOBER)).count == 0
        assert (await imported(store)).count == 10
    assert len(published.messages) == len(set(published.mail_ids)) == 30
    cursor = await store.runtime.cursor(NAME, "INBOX")
    assert cursor is not None
    async with logged_in(support_mailbox(dovecot).spec.imap) as session:
        await session.select("INBOX")
        listed = await session.search_all()
    seen = await store.sightings.at(NAME, "INBOX", cursor.validity, listed)
    assert [one.state for one in seen] == [Sight.MAIL] * 30


async def test_the_servers_copy_of_imported_mail_stays_as_it_is(dovecot: Dovecot, store: Store) -> None:
    """Whatever the mailbox does with the mail that it takes."""
    dovecot.deliver(USER, mail(1), received=BEGAN)
    flag = AfterFetch(action=AfterFetchAction.MARK_SEEN)
    await begin_from_now(dovecot, store, after_fetch=flag)
    dovecot.deliver(USER, mail(2), received=datetime.now(UTC))
    published = Published()
    async with following(store, tools(store, published)):
        await imported(store)
        await eventually(has(published, 2))
        for mail_id in published.mail_ids:
            await finish(store, mail_id)

        async def seen() -> bool:
            async with logged_in(support_mailbox(dovecot).spec.imap) as session:
                await session.select("INBOX")
                return await session.search_unmarked("seen") == [1]

        await eventually(seen, 20)


async def test_an_import_of_another_account_ends_without_taking_anything(dovecot: Dovecot, store: Store) -> None:
    lay_old(dovecot)
    await begin_from_now(dovecot, store)
    async with following(store, tools(store, Published())):
        wish = await counted(store)
    await store.mailboxes.put(support_mailbox(dovecot, user="requests@desk.example", start_from="now"), {})
    other = await store.mailboxes.get(NAME)
    assert other is not None
    await store.wishes.confirm_old_mail(NAME, wish.number, "ada", now())
    support_mailbox(dovecot, user="requests@desk.example", password=USERS["requests@desk.example"])
    async with following(store, tools(store, Published())):
        await eventually(is_so(store, lambda one: one.ended_at is not None), 20)
    assert "another account" in (await old_mail(store)).failure
    assert await entries(store) == []


async def test_questions_replace_each_other_and_an_import_under_way_does_not(store: Store) -> None:
    first = await store.wishes.ask_old_mail(NAME, "ada", OCTOBER, now())
    assert await store.wishes.ask_old_mail(NAME, "bob", OCTOBER, now()) == first
    assert await store.wishes.confirm_old_mail(NAME, first.number, "ada", now()) is None, "not counted yet"
    second = await store.wishes.ask_old_mail(NAME, "bob", None, now())
    assert (second.number, second.since) == (2, None)
    lease = await store.runtime.acquire(NAME, "f", timedelta(seconds=30))
    assert lease is not None
    late = first.model_copy(update={"count": 3})
    assert not await store.wishes.note(NAME, lease, late), "there is a newer question"
    assert not await store.wishes.note(NAME, lease.model_copy(update={"token": 0}), second), "fenced"
    assert await store.wishes.note(NAME, lease, second.model_copy(update={"count": 7}))
    assert await store.wishes.confirm_old_mail(NAME, first.number, "ada", now()) is None
    order = await store.wishes.confirm_old_mail(NAME, second.number, "ada", now())
    assert order is not None and order.is_taking
    assert await store.wishes.confirm_old_mail(NAME, second.number, "bob", now()) == order, "once"
    assert await store.wishes.ask_old_mail(NAME, "eve", OCTOBER, now()) == order
