"""Mails that come back in masses: the real Dovecot, the real store."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from services.all_in_one.demo.dovecot import Dovecot
from services.fetcher.handler import Limits
from services.fetcher.imap.session import Session
from services.fetcher.ports import FetchedMail
from shared.domain.mailbox import Mailbox
from shared.domain.mailbox_runtime import Phase
from shared.runtime.clock import Clock
from shared.store.client import Store
from shared.store.settings import StoreSettings
from tests.contract.imap.test_following_mailboxes import has, is_in
from tests.support.dovecot import USERS
from tests.support.dying import dies
from tests.support.fetching import NAME, Published, eventually, following, open_folder, support_mailbox, tools
from tests.support.imap import USER, logged_in, mail

LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
MANY = 2000


class Counting:
    """A session that counts the bodies it is asked for."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self.bodies = 0

    def __getattr__(self, name: str) -> object:
        return getattr(self._session, name)

    async def fetch(self, uids: list[int], size: int) -> list[FetchedMail]:
        self.bodies += len(uids)
        return await self._session.fetch(uids, size)


async def read(store: Store, mailbox: Mailbox, limits: Limits | None = None) -> tuple[Published, int, object]:
    """Connect, read the whole folder once, disconnect: what was published, how many bodies were downloaded."""
    published = Published()
    async with logged_in(mailbox.spec.imap, USER, USERS[USER]) as session:
        counting = Counting(session)
        folder = await open_folder(session, store, mailbox, published, limits)
        await folder.read(counting, full=True)  # type: ignore[arg-type]
    return published, counting.bodies, folder


def recognised_by_headers(folder: object) -> float:
    """How many mails of this reading were known by their headers alone."""
    registry = folder.report._metrics.registry  # type: ignore[attr-defined]
    labels = {"mailbox": NAME, "how": "by_headers"}
    return registry.get_sample_value("mail_automator_mailbox_reappeared_total", labels) or 0


def forget(server: Dovecot, pattern: str) -> None:
    doomed = list(server.maildir(USER).glob(pattern))
    assert doomed
    for file in doomed:
        file.unlink()


@pytest.mark.timeout(400)
@pytest.mark.parametrize("doomed", ["dovecot-uidlist", "dovecot*"])
async def test_2000_renumbered_mails_are_recognised_by_their_headers_and_new_mail_is_taken(
    dovecot: Dovecot, store: Store, doomed: str
) -> None:
    """New UIDs under the same UIDVALIDITY, and under a new one; with two identical copies among them.

    Read twice: a Dovecot that lost only its list of UIDs may show its index's old UIDs once more (seen in 2.3.19).
    """
    for number in range(MANY - 2):
        dovecot.deliver(USER, mail(number), received=LONG_AGO + timedelta(minutes=number))
    for _ in range(2):
        dovecot.deliver(USER, mail(7777), received=LONG_AGO)
    mailbox = support_mailbox(dovecot)
    first, bodies, _ = await read(store, mailbox)
    assert (len(set(first.mail_ids)), bodies) == (MANY, MANY)
    await dovecot.stop()
    forget(dovecot, doomed)
    dovecot.deliver(USER, mail(9999), received=datetime.now(UTC))
    await dovecot.start()
    again = [await read(store, mailbox) for _ in range(2)]
    assert [one.raw for published, _, _ in again for one in published.messages] == [mail(9999)]
    assert sum(bodies for _, bodies, _ in again) == 1
    assert len(await store.sightings.mail_ids(NAME)) == MANY + 1
    assert sum(recognised_by_headers(folder) for _, _, folder in again) == MANY
    last, bodies, _ = await read(store, mailbox)
    assert (last.messages, bodies) == ([], 0)


async def test_of_mails_that_look_alike_without_their_body_identity_decides(dovecot: Dovecot, store: Store) -> None:
    """Same headers, date and size, but another text: neither may stand for the other."""
    twins = [mail(1, "one\r\n"), mail(1, "two\r\n")]
    for raw in twins:
        dovecot.deliver(USER, raw, received=LONG_AGO)
    mailbox = support_mailbox(dovecot)
    first, _, _ = await read(store, mailbox)
    await dovecot.stop()
    forget(dovecot, "dovecot*")
    await dovecot.start()
    second, bodies, _ = await read(store, mailbox)
    assert len(set(first.mail_ids)) == 2
    assert (second.messages, bodies) == ([], 2)


async def test_a_copy_more_than_before_is_a_mail_more(dovecot: Dovecot, store: Store) -> None:
    dovecot.deliver(USER, mail(1), received=LONG_AGO)
    mailbox = support_mailbox(dovecot)
    first, _, _ = await read(store, mailbox)
    dovecot.deliver(USER, mail(1), received=LONG_AGO)
    await dovecot.stop()
    forget(dovecot, "dovecot*")
    await dovecot.start()
    second, _, _ = await read(store, mailbox)
    assert len({*first.mail_ids, *second.mail_ids}) == 2
    assert (await read(store, mailbox))[0].messages == []


async def test_old_mails_that_were_deleted_and_are_restored_are_not_downloaded(dovecot: Dovecot, store: Store) -> None:
    """A part of the folder only, so that nothing looks renumbered."""
    kept = [dovecot.deliver(USER, mail(number), received=LONG_AGO) for number in range(100)]
    mailbox = support_mailbox(dovecot)
    first, _, _ = await read(store, mailbox)
    folder = dovecot.maildir(USER)
    lost = [*folder.glob("cur/*"), *folder.glob("new/*")][:60]
    backup = {file: file.read_bytes() for file in lost}
    for file in lost:
        file.unlink()
    assert (await read(store, mailbox))[0].messages == []
    for raw in backup.values():
        dovecot.deliver(USER, raw, received=LONG_AGO)
    second, bodies, _ = await read(store, mailbox)
    assert len(first.messages) == len(kept)
    assert (second.messages, bodies) == ([], 0)


async def test_a_fetcher_that_dies_once_a_persons_word_is_used_up_has_taken_all_of_them(
    dovecot: Dovecot, store: Store, store_settings: StoreSettings
) -> None:
    mailbox = support_mailbox(dovecot)
    await store.mailboxes.put(mailbox, {})
    async with following(store, tools(store, Published()), "victim"):
        await eventually(is_in(store, Phase.IDLE))
    for number in range(100, 120):
        dovecot.deliver(USER, mail(number), received=LONG_AGO)
    await store.runtime.accept_reappearance(NAME)
    await dies(store_settings, "fetcher.after_reappearance", "follows")
    assert not await store.runtime.reappearance_accepted(NAME)
    assert len([row async for row in store.ledger.iter_all()]) == 20
    published = Published()
    async with following(store, tools(store, published), "victim"):
        dovecot.deliver(USER, mail(1), received=datetime.now(UTC))
        await eventually(has(published, 1))
    assert [one.raw for one in published.messages] == [mail(1)]


async def test_unknown_old_mail_in_masses_waits_for_a_person_and_new_mail_does_not(
    dovecot: Dovecot, store: Store
) -> None:
    dovecot.deliver(USER, mail(0), received=LONG_AGO)
    mailbox, published = support_mailbox(dovecot), Published()
    await store.mailboxes.put(mailbox, {})
    async with following(store, tools(store, published, Limits(reappeared=10))):
        await eventually(is_in(store, Phase.IDLE))
        for number in range(100, 120):
            dovecot.deliver(USER, mail(number), received=LONG_AGO)
        dovecot.deliver(USER, mail(1), received=datetime.now(UTC))
        await eventually(is_in(store, Phase.NEEDS_ATTENTION))
        status = (await store.runtime.statuses())[NAME]
        assert status.code == "mass_reappearance"
        assert "20 mails" in status.sentence
        await eventually(has(published, 2))
        dovecot.deliver(USER, mail(2), received=datetime.now(UTC))
        await eventually(has(published, 3))
        assert {one.raw for one in published.messages} == {mail(0), mail(1), mail(2)}
        await store.runtime.accept_reappearance(NAME)
        await eventually(has(published, 23), 40)
        await eventually(is_in(store, Phase.IDLE))
        assert not await store.runtime.reappearance_accepted(NAME), "the word is used up"
    await asyncio.sleep(0)
    assert len(set(published.mail_ids)) == 23


class Ahead(Clock):
    """A process's clock that is wrong."""

    by = timedelta(days=3652)

    def now(self) -> datetime:
        return super().now() + self.by


async def test_new_mail_is_new_again_once_the_clock_that_was_years_ahead_is_right(
    dovecot: Dovecot, store: Store
) -> None:
    """By what the wrong clock wrote, everything that arrives within ten years has arrived before."""
    dovecot.deliver(USER, mail(0))
    mailbox, published, clock = support_mailbox(dovecot), Published(), Ahead()
    await store.mailboxes.put(mailbox, {})
    async with following(store, replace(tools(store, published, Limits(reappeared=10)), clock=clock)):
        await eventually(has(published, 1))
        await eventually(is_in(store, Phase.IDLE))
        for number in range(100, 120):
            dovecot.deliver(USER, mail(number), received=datetime.now(UTC))
        await eventually(is_in(store, Phase.NEEDS_ATTENTION))
        clock.by = timedelta(0)
        dovecot.deliver(USER, mail(1), received=datetime.now(UTC))
        await eventually(has(published, 22), 40)
        await eventually(is_in(store, Phase.IDLE))
        for number in range(200, 220):
            dovecot.deliver(USER, mail(number), received=datetime.now(UTC))
        await eventually(has(published, 42), 40)
    assert len(set(published.mail_ids)) == 42
