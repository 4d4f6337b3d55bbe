"""One pass over a folder: the real Dovecot, the real store."""

import asyncio
import contextlib
import shutil
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from services.all_in_one.demo.dovecot import Dovecot
from services.fetcher.errors import LeaseLost
from services.fetcher.handler import Folder, Limits
from services.fetcher.imap.session import Session
from services.fetcher.ports import FetchedMail
from services.fetcher.troubles import Troubles
from shared.domain.errors import BrokerUnavailable, Transient
from shared.domain.mailbox import Mailbox
from shared.domain.sighting import Sight
from shared.store.client import Store
from tests.support.dovecot import USERS
from tests.support.fetching import NAME, Published, open_folder, support_mailbox
from tests.support.imap import USER, logged_in, mail

LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)


async def read(store: Store, mailbox: Mailbox, limits: Limits | None = None) -> tuple[Published, Folder]:
    """Connect, read the whole folder once, disconnect."""
    published = Published()
    user = mailbox.spec.email
    async with logged_in(mailbox.spec.imap, user, USERS[user]) as session:
        folder = await open_folder(session, store, mailbox, published, limits)
        await folder.read(session, full=True)
    return published, folder


async def test_a_backlog_of_200_mails_is_stored_whole_and_published_once(dovecot: Dovecot, store: Store) -> None:
    sent = {mail(number, "x" * 100 * (number % 40) + "\r\n") for number in range(200)}
    for raw in sent:
        dovecot.deliver(USER, raw)
    published, folder = await read(store, support_mailbox(dovecot))
    assert {one.raw for one in published.messages} == sent
    assert {await store.raw.get(mail_id) for mail_id in published.mail_ids} == sent
    assert len(await store.ledger.get_many(published.mail_ids)) == 200
    seen = await store.sightings.at(NAME, "INBOX", folder.cursor.validity, range(1, 1000))
    assert folder.cursor.low_water == seen[-1].uid and len(seen) == 200
    again, _ = await read(store, support_mailbox(dovecot))
    assert again.messages == []


async def test_what_comes_after_a_pass_that_ended_well_is_new_and_the_store_is_not_asked(
    dovecot: Dovecot, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Sequence[int]] = []
    known = store.sightings.known

    async def counted(mailbox: str, folder: str, uid_validity: int, uids: Sequence[int]) -> frozenset[int]:
        asked.append(uids)
        return await known(mailbox, folder, uid_validity, uids)

    monkeypatch.setattr(store.sightings, "known", counted)
    published = Published()
    async with logged_in(support_mailbox(dovecot).spec.imap) as session:
        folder = await open_folder(session, store, support_mailbox(dovecot), published)
        for number in range(3):
            dovecot.deliver(USER, mail(number))
            await session.noop()
            assert await folder.read(session, full=not number) == 1
        assert len(asked) == 1, "what was there when the folder was opened may be known"
        published.away = True
        dovecot.deliver(USER, mail(3))
        await session.noop()
        with pytest.raises(BrokerUnavailable):
            await folder.read(session, full=False)
        published.away = False
        assert await folder.read(session, full=False) == 0
        assert len(asked) == 2, "that pass did not end well"
        dovecot.deliver(USER, mail(4))
        await session.noop()
        assert await folder.read(session, full=False) == 1
        assert await folder.read(session, full=True) == 0
        assert len(asked) == 3
    assert len(await store.ledger.get_many(published.mail_ids)) == len(published.mail_ids) == 4


async def test_the_ledger_entry_tells_where_the_mail_lay_and_what_it_is(dovecot: Dovecot, store: Store) -> None:
    received = datetime(2026, 1, 5, 10, 0, 7, tzinfo=UTC)
    dovecot.deliver(USER, mail(5), received=received)
    published, folder = await read(store, support_mailbox(dovecot))
    entry = await store.ledger.get(published.mail_ids[0])
    assert entry is not None
    assert entry.headline.message_id == "<5@people.example>"
    assert entry.headline.sender == "ann@people.example"
    assert (entry.origin.mailbox, entry.origin.folder, entry.origin.internal_date) == (NAME, "INBOX", received)
    assert entry.origin.uid_validity == folder.cursor.uid_validity
    assert published.messages[0].received_at == received


@pytest.mark.parametrize("doomed", ["dovecot-uidlist", "dovecot*"])
async def test_renumbered_mails_are_the_same_mails(dovecot: Dovecot, store: Store, doomed: str) -> None:
    """Deleting the uidlist gives new UIDs under the same UIDVALIDITY; deleting the indexes too, a new UIDVALIDITY."""
    for number in range(60):
        dovecot.deliver(USER, mail(number), received=LONG_AGO + timedelta(minutes=number))
    first, before = await read(store, support_mailbox(dovecot))
    await dovecot.stop()
    _forget(dovecot, doomed)
    dovecot.deliver(USER, mail(99))
    await dovecot.start()
    second, after = await read(store, support_mailbox(dovecot))
    renamed = after.cursor.uid_validity != before.cursor.uid_validity
    assert renamed == (doomed == "dovecot*")
    assert after.cursor.epoch == 1
    assert [one.raw for one in second.messages] == [mail(99)]
    assert len(first.messages) == 60
    assert not set(first.mail_ids) & set(second.mail_ids)
    assert len(await store.sightings.mail_ids(NAME)) == 61


@pytest.mark.parametrize("doomed", ["dovecot-uidlist", "dovecot*"])
async def test_old_mail_that_was_never_taken_stays_so_when_it_is_renumbered(
    dovecot: Dovecot, store: Store, doomed: str
) -> None:
    for number in range(5):
        dovecot.deliver(USER, mail(number), received=LONG_AGO)
    mailbox = support_mailbox(dovecot, start_from="now")
    first, _ = await read(store, mailbox)
    dovecot.deliver(USER, mail(10), received=datetime.now(UTC) + timedelta(seconds=2))
    second, _ = await read(store, mailbox)
    await dovecot.stop()
    _forget(dovecot, doomed)
    await dovecot.start()
    third, folder = await read(store, mailbox)
    assert first.messages == []
    assert [one.raw for one in second.messages] == [mail(10)]
    assert third.messages == []
    uids = range(1, 50)
    seen = await store.sightings.at(NAME, "INBOX", folder.cursor.uid_validity, uids)
    assert sum(one.state is Sight.EARLIER for one in seen) == 5


async def test_a_mailbox_pointed_at_another_account_loses_nothing_and_imports_nothing_old(
    dovecot: Dovecot, store: Store
) -> None:
    """Its UIDs mean nothing there, even under the same UIDVALIDITY; pointed back, it goes on where it was."""
    other = next(user for user in USERS if user != USER)
    now = datetime.now(UTC) + timedelta(seconds=2)
    for number in range(3):
        dovecot.deliver(USER, mail(number), received=LONG_AGO)
    ours, theirs = (support_mailbox(dovecot, user=user, start_from="now") for user in (USER, other))
    _, folder = await read(store, ours)
    dovecot.deliver(USER, mail(10), received=now)
    assert [one.raw for one in (await read(store, ours))[0].messages] == [mail(10)]
    for number in range(20, 25):
        dovecot.deliver(other, mail(number), received=LONG_AGO)
    dovecot.deliver(other, mail(30), received=now)
    uidlist = dovecot.maildir(other) / "dovecot-uidlist"
    uidlist.write_text(f"3 V{folder.cursor.uid_validity} N1 G0123456789abcdef0123456789abcdef\n")
    shutil.chown(uidlist, *([dovecot.maildir(other).stat().st_uid, dovecot.maildir(other).stat().st_gid]))
    found, moved = await read(store, theirs)
    assert moved.cursor.uid_validity == folder.cursor.uid_validity
    assert [one.raw for one in found.messages] == [mail(30)]
    assert (await read(store, theirs))[0].messages == []
    dovecot.deliver(USER, mail(11), received=now)
    assert [one.raw for one in (await read(store, ours))[0].messages] == [mail(11)]


def _forget(server: Dovecot, pattern: str) -> None:
    doomed = list(server.maildir(USER).glob(pattern))
    assert doomed
    for file in doomed:
        file.unlink()


async def test_two_identical_copies_are_two_mails_and_stay_two(dovecot: Dovecot, store: Store) -> None:
    for _ in range(2):
        dovecot.deliver(USER, mail(1), received=LONG_AGO)
    first, _ = await read(store, support_mailbox(dovecot))
    dovecot.deliver(USER, mail(1), received=LONG_AGO)
    second, _ = await read(store, support_mailbox(dovecot))
    assert len(set(first.mail_ids)) == 2
    assert len(set(first.mail_ids + second.mail_ids)) == 3
    await dovecot.stop()
    _forget(dovecot, "dovecot*")
    await dovecot.start()
    third, _ = await read(store, support_mailbox(dovecot))
    assert third.messages == []


async def test_two_copies_more_at_once_are_two_mails_more_and_one_if_the_first_is_gone(
    dovecot: Dovecot, store: Store
) -> None:
    """Each is taken for the first copy of its content, until the ledger says that it has that one."""
    mailbox, published = support_mailbox(dovecot), Published()
    dovecot.deliver(USER, mail(1), received=LONG_AGO)
    async with logged_in(mailbox.spec.imap) as session:
        folder = await open_folder(session, store, mailbox, published)
        await folder.read(session, full=True)
        for copies, gone, mails in ((2, 0, 3), (1, 0, 4), (2, 1, 5)):
            if gone:
                await session.delete((await session.search_all())[:gone])
            for _ in range(copies):
                dovecot.deliver(USER, mail(1), received=LONG_AGO)
            dovecot.deliver(USER, mail(10 + mails))
            await session.noop()
            await folder.read(session, full=False)
            assert len(set(published.mail_ids)) == len(published.mail_ids)
            assert sum(one.raw == mail(1) for one in published.messages) == mails
    seen = await store.sightings.at(NAME, "INBOX", folder.cursor.uid_validity, list(range(1, 20)))
    assert len({one.mail_id for one in seen}) == len(published.messages) == 8
    assert len(seen) == 9, "of the copies that came last, one is the first copy again"


@pytest.mark.row(79)
async def test_a_mail_that_was_moved_out_and_back_is_the_same_mail(dovecot: Dovecot, store: Store) -> None:
    dovecot.deliver(USER, mail(1), received=LONG_AGO)
    mailbox = support_mailbox(dovecot)
    first, _ = await read(store, mailbox)
    async with logged_in(mailbox.spec.imap) as session:
        await session.select("INBOX")
        await session.move(await session.search_all(), "Elsewhere")
        await session.select("Elsewhere")
        await session.move(await session.search_all(), "INBOX")
    second, _ = await read(store, mailbox)
    assert len(first.messages) == 1
    assert second.messages == []


class Overtaken:
    """A session whose owner deletes mails from another one, once: just before they are fetched."""

    def __init__(self, session: Session, mailbox: Mailbox, *numbers: int) -> None:
        self._session, self._mailbox, self._numbers = session, mailbox, numbers

    def __getattr__(self, name: str) -> Any:
        return getattr(self._session, name)

    async def fetch(self, uids: Sequence[int], size: int) -> list[FetchedMail]:
        numbers, self._numbers = self._numbers, ()
        if numbers:
            async with logged_in(self._mailbox.spec.imap) as person:
                await person.select("INBOX")
                await person.delete([sorted(uids)[one] for one in numbers])
        return await self._session.fetch(uids, size)


@pytest.mark.row(79)
@pytest.mark.parametrize("deleted", [(0,), (4,), (2, 5), (9,), tuple(range(10))], ids=str)
async def test_mails_that_are_deleted_while_they_are_fetched_have_vanished_and_the_others_arrive(
    dovecot: Dovecot, store: Store, deleted: tuple[int, ...]
) -> None:
    """A server may still give what is deleted meanwhile: then it is a mail of ours. Nothing is doubled afterwards."""
    for number in range(10):
        dovecot.deliver(USER, mail(number))
    mailbox, published = support_mailbox(dovecot), Published()
    async with logged_in(mailbox.spec.imap) as session:
        folder = await open_folder(session, store, mailbox, published)
        listed = await session.search_all()
        for full in (True, False, True):
            await folder.read(Overtaken(session, mailbox, *deleted) if published.messages == [] else session, full=full)
    again, _ = await read(store, mailbox)
    seen = await store.sightings.at(NAME, "INBOX", folder.cursor.uid_validity, listed)
    ours = {one.mail_id for one in seen if one.state is Sight.MAIL}
    gone = {one.uid for one in seen if one.state is Sight.VANISHED}
    assert len(seen) == len(listed), "each is on record"
    assert gone <= {sorted(listed)[one] for one in deleted}
    assert len(gone) + len(ours) == 10
    assert sorted(published.mail_ids) == sorted(one for one in ours if one)
    assert again.messages == []


async def test_the_first_connection_from_now_takes_only_what_comes_later(dovecot: Dovecot, store: Store) -> None:
    dovecot.deliver(USER, mail(1))
    mailbox = support_mailbox(dovecot, start_from="now")
    assert (await read(store, mailbox))[0].messages == []
    dovecot.deliver(USER, mail(2))
    assert [one.raw for one in (await read(store, mailbox))[0].messages] == [mail(2)]


async def test_the_first_connection_since_a_date_takes_that_day_and_later(dovecot: Dovecot, store: Store) -> None:
    for number, day in enumerate((1, 10, 20)):
        dovecot.deliver(USER, mail(number), received=datetime(2026, 3, day, 12, tzinfo=UTC))
        await _deliver_in_order(dovecot)
    published, _ = await read(store, support_mailbox(dovecot, start_from="2026-03-10"))
    assert {one.raw for one in published.messages} == {mail(1), mail(2)}


async def _deliver_in_order(server: Dovecot) -> None:
    """Let Dovecot number what lies there before the next mail comes."""
    async with logged_in(support_mailbox(server).spec.imap) as session:
        await session.select("INBOX")


async def test_a_broker_that_is_away_loses_nothing_and_doubles_nothing(dovecot: Dovecot, store: Store) -> None:
    for number in range(3):
        dovecot.deliver(USER, mail(number))
    mailbox, published = support_mailbox(dovecot), Published()
    published.away = True
    async with logged_in(mailbox.spec.imap) as session:
        folder = await open_folder(session, store, mailbox, published)
        with pytest.raises(BrokerUnavailable):
            await folder.read(session, full=True)
    assert len(await store.sightings.mail_ids(NAME)) == 3
    published, _ = await read(store, mailbox)
    assert published.messages == [], "the bookkeeper re-publishes what the ledger holds"
    assert len(await store.ledger.recent(NAME, 10)) == 3


async def test_a_cursor_is_not_saved_under_a_lost_lease(dovecot: Dovecot, store: Store) -> None:
    dovecot.deliver(USER, mail(1))
    mailbox = support_mailbox(dovecot)
    async with logged_in(mailbox.spec.imap) as session:
        folder = await open_folder(session, store, mailbox, Published())
        await store.runtime.release(NAME, folder.lease())
        assert await store.runtime.acquire(NAME, "another", timedelta(seconds=30)) is not None
        with pytest.raises(LeaseLost):
            await folder.read(session, full=True)


async def test_of_a_mail_over_the_cap_the_start_is_taken(dovecot: Dovecot, store: Store) -> None:
    large = mail(1, "x" * 600_000)
    dovecot.deliver(USER, large)
    dovecot.deliver(USER, mail(2))
    published, _ = await read(store, support_mailbox(dovecot), Limits(mail_bytes=300_000))
    raws = {one.size: await store.raw.get(one.mail_id) for one in published.messages}
    assert raws == {len(large): large[: 256 * 1024], len(mail(2)): mail(2)}


async def test_a_mail_over_256_kib_travels_by_reference(dovecot: Dovecot, store: Store) -> None:
    large = mail(1, "x" * 300_000)
    dovecot.deliver(USER, large)
    published, _ = await read(store, support_mailbox(dovecot))
    assert [one.raw for one in published.messages] == [None]
    assert await store.raw.get(published.mail_ids[0]) == large


async def test_a_mail_that_the_server_cannot_read_becomes_a_hole_and_blocks_nothing(
    dovecot: Dovecot, store: Store
) -> None:
    for number in range(3):
        dovecot.deliver(USER, mail(number), received=LONG_AGO + timedelta(days=number))
    mailbox, published, troubles = support_mailbox(dovecot), Published(), Troubles(NAME)
    uids = await _uids(mailbox)
    broken = _file_with(dovecot, mail(1))
    broken.chmod(0)
    for _ in range(8):
        with contextlib.suppress(Transient):
            async with logged_in(mailbox.spec.imap) as session:
                folder = await open_folder(session, store, mailbox, published, troubles=troubles)
                await folder.read(session, full=True)
    assert {one.raw for one in published.messages} == {mail(0), mail(2)}
    assert folder.cursor.low_water == max(uids)
    holes = await store.sightings.holes(NAME, "INBOX", folder.cursor.uid_validity)
    assert len(holes) == 1
    broken.chmod(0o600)
    healed, _ = await read(store, mailbox)
    assert [one.raw for one in healed.messages] == [mail(1)]
    assert await store.sightings.holes(NAME, "INBOX", folder.cursor.uid_validity) == ()


def _file_with(server: Dovecot, raw: bytes) -> Path:
    files = [*server.maildir(USER).glob("cur/*"), *server.maildir(USER).glob("new/*")]
    return next(file for file in files if file.read_bytes() == raw)


async def _uids(mailbox: Mailbox) -> list[int]:
    async with logged_in(mailbox.spec.imap) as session:
        await session.select("INBOX")
        uids = await session.search_all()
        await session.outlines(uids)
        return uids


async def test_a_read_that_is_cancelled_goes_on_where_it_was(dovecot: Dovecot, store: Store) -> None:
    for number in range(100):
        dovecot.deliver(USER, mail(number))
    mailbox, published = support_mailbox(dovecot), Published()
    async with logged_in(mailbox.spec.imap) as session:
        folder = await open_folder(session, store, mailbox, published, Limits(batch=5))
        reading = asyncio.create_task(folder.read(session, full=True))
        while not published.messages:
            await asyncio.sleep(0.01)
        reading.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reading
    taken = len(published.messages)
    rest, _ = await read(store, mailbox)
    assert 0 < taken < 100
    assert len({*published.mail_ids, *rest.mail_ids}) == 100
    assert taken + len(rest.messages) == 100


async def test_a_start_date_leaves_older_mail_whatever_its_uid(dovecot: Dovecot, store: Store) -> None:
    """In a migrated folder old mail has new UIDs."""
    recent = datetime.now(UTC) - timedelta(days=3)
    dovecot.deliver(USER, mail(1), received=recent)
    for number in range(2, 5):
        dovecot.deliver(USER, mail(number), received=LONG_AGO)
    dovecot.deliver(USER, mail(5), received=recent)
    mailbox = support_mailbox(dovecot, start_from=(recent - timedelta(days=2)).date())
    found, _ = await read(store, mailbox)
    assert {one.raw for one in found.messages} == {mail(1), mail(5)}
    dovecot.deliver(USER, mail(6), received=datetime.now(UTC))
    assert [one.raw for one in (await read(store, mailbox))[0].messages] == [mail(6)]
