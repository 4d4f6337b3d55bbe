"""What Dovecot will not show: a scripted server over TLS, the real door, the real store."""

import contextlib
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from services.fetcher.aftermath import Aftermath
from services.fetcher.errors import ServerTrouble, Throttled
from services.fetcher.handler import Folder, Limits
from services.fetcher.troubles import MAX_TRIES, Troubles
from shared.domain.decision import Kind, Reason
from shared.domain.errors import Transient
from shared.domain.ledger import State
from shared.domain.mailbox import AfterFetch, AfterFetchAction, Mailbox
from shared.domain.sighting import Sight
from shared.runtime.clock import Clock
from shared.store.client import Store
from tests.contract.imap.test_following_mailboxes import finish
from tests.support import builders
from tests.support.fetching import NAME, Published, open_folder
from tests.support.imap import PASSWORD, USER, logged_in, mail
from tests.support.scripted_imap import ScriptedImap

DAY = timedelta(days=1)
AT = datetime(2026, 1, 5, 10, tzinfo=UTC)


def mailbox_of(server: ScriptedImap) -> Mailbox:
    return builders.mailbox(NAME, email=USER, imap=server.imap)


async def read(
    store: Store,
    server: ScriptedImap,
    published: Published,
    troubles: Troubles | None = None,
    limits: Limits | None = None,
) -> Folder:
    """Connect, read the whole folder once, disconnect."""
    async with logged_in(server.imap, USER, PASSWORD) as session:
        folder = await open_folder(session, store, mailbox_of(server), published, limits, troubles)
        await folder.read(session, full=True)
    return folder


async def read_on(store: Store, server: ScriptedImap, published: Published, times: int = 2 * MAX_TRIES + 2) -> Folder:
    """As often as it takes for a mail to be hopeless, over broken connections too."""
    troubles, folder = Troubles(NAME), None
    for _ in range(times):
        with contextlib.suppress(Transient):
            folder = await read(store, server, published, troubles)
    assert folder is not None
    return folder


@pytest.mark.parametrize("fault", ["refused", "untold", "silent", "fatal"])
async def test_a_mail_that_is_never_given_is_a_booked_rejection_and_blocks_nothing(
    tmp_path: Path, store: Store, fault: str
) -> None:
    """NO to its body, NO to everything about it, no word of it, or the connection broken by it."""
    async with ScriptedImap(tmp_path) as server:
        for number in (1, 2, 3):
            server.add(number, mail(number), AT + number * DAY)
        getattr(server, fault).add(2)
        published = Published()
        folder = await read_on(store, server, published)
        assert sorted(one.raw or b"" for one in published.messages) == [mail(1), mail(3)]
        assert folder.cursor.low_water == 3
        (entry,) = [one for one in await store.ledger.recent(NAME, 10) if one.decision is not None]
        assert entry.decision is not None
        assert (entry.decision.kind, entry.decision.reason) == (Kind.REJECTED, Reason.UNFETCHABLE)
        head_came = fault in ("refused", "fatal")
        assert entry.headline.message_id == ("<2@people.example>" if head_came else None)
        assert await store.raw.get(entry.mail_id) == (server.mails[2].head if head_came else b"")
        owed = await store.ledger.pending_outbox(datetime.now(UTC) + DAY, 10)
        assert [(mail_id, event.routing_key) for mail_id, event in owed] == [
            (entry.mail_id, f"mail.rejected.unfetchable.{NAME}")
        ]
        due = await store.ledger.due(datetime.now(UTC) + DAY, datetime.now(UTC) + DAY, 10)
        assert {one.mail_id for one in due} == set(published.mail_ids), "it has no stage to go through"
        await store.ledger.mark_done([entry.mail_id])
        server.refused, server.untold, server.silent, server.fatal = set(), set(), set(), set()
        healed = Published()
        await read(store, server, healed, Troubles(NAME))
        assert [one.raw for one in healed.messages] == [mail(2)]
        rejected = await store.ledger.get(entry.mail_id)
        assert rejected is not None
        assert rejected.state is State.DONE
        assert healed.mail_ids[0] in rejected.trace[-1].sentence
        assert await store.sightings.holes(NAME, "INBOX", 7) == ()
        await read(store, server, healed, Troubles(NAME))
        assert len(healed.messages) == 1


async def test_a_hole_that_is_deleted_on_the_server_has_vanished_and_stays_rejected(
    tmp_path: Path, store: Store
) -> None:
    async with ScriptedImap(tmp_path) as server:
        server.add(1, mail(1), AT)
        server.refused.add(1)
        await read_on(store, server, Published())
        del server.mails[1]
        await read(store, server, Published())
    (sighting,) = await store.sightings.at(NAME, "INBOX", 7, [1])
    assert sighting.state is Sight.VANISHED
    assert len(await store.ledger.recent(NAME, 10)) == 1


@pytest.mark.parametrize("validity", [None, 0])
@pytest.mark.row(76)
async def test_without_a_uidvalidity_nothing_is_doubled_or_downloaded_again(
    tmp_path: Path, store: Store, validity: int | None
) -> None:
    """Each connection starts an epoch: headers tell what is known."""
    async with ScriptedImap(tmp_path) as server:
        server.uid_validity = validity
        for number in range(1, 21):
            server.add(number, mail(number), AT + number * DAY)
        published = Published()
        await read(store, server, published)
        server.mails = {21 - uid: lying for uid, lying in server.mails.items()}
        server.add(30, mail(30), datetime.now(UTC))
        await read(store, server, published)
    assert len(published.messages) == len(set(published.mail_ids)) == 21
    assert server.served.total() == 21


@pytest.mark.row(76)
async def test_uids_that_are_listed_in_any_order_and_twice_are_taken_once(tmp_path: Path, store: Store) -> None:
    async with ScriptedImap(tmp_path) as server:
        server.uid_order = lambda uids: [*sorted(uids, reverse=True), *uids]  # type: ignore[assignment,return-value]
        for number in (5, 9, 2):
            server.add(number, mail(number), AT + number * DAY)
        published = Published()
        await read(store, server, published)
        server.add(3, mail(3), AT + 3 * DAY)
        folder = await read(store, server, published)
    assert len(published.messages) == len(set(published.mail_ids)) == 4
    assert folder.cursor.low_water == 9


@pytest.mark.row(76)
async def test_a_server_that_was_rolled_back_hides_no_mail_behind_known_uids(tmp_path: Path, store: Store) -> None:
    """Restored from a backup: UIDs that we know are given to other mails, under the same UIDVALIDITY."""
    async with ScriptedImap(tmp_path) as server:
        for number in range(1, 6):
            server.add(number, mail(number), AT + number * DAY)
        server.uid_next = 6
        published = Published()
        await read(store, server, published)
        for uid in (4, 5):
            del server.mails[uid]
        server.add(4, mail(40), datetime.now(UTC))
        server.uid_next = 5
        folder = await read(store, server, published)
        assert [one.raw for one in published.messages][5:] == [mail(40)]
        assert folder.cursor.rollbacks == 1
        server.add(5, mail(50), datetime.now(UTC))
        server.uid_next = 6
        folder = await read(store, server, published)
    assert [one.raw for one in published.messages][6:] == [mail(50)]
    assert folder.cursor.rollbacks == 1
    assert server.served[1] == 1


async def test_a_roll_back_is_seen_although_the_server_has_grown_beyond_it_since(tmp_path: Path, store: Store) -> None:
    """UIDNEXT tells nothing then: the newest known UIDs are compared with the ledger."""
    async with ScriptedImap(tmp_path) as server:
        for number in range(1, 6):
            server.add(number, mail(number), AT + number * DAY)
        published = Published()
        await read(store, server, published)
        for number in (4, 5, 6):
            server.add(number, mail(10 * number), datetime.now(UTC))
        folder = await read(store, server, published)
        assert {one.raw for one in published.messages[5:]} == {mail(40), mail(50), mail(60)}
        assert folder.cursor.rollbacks == 1
        folder = await read(store, server, published)
    assert folder.cursor.rollbacks == 1
    assert len(published.messages) == 8


@pytest.mark.row(76)
async def test_a_uidnext_that_is_not_true_changes_nothing(tmp_path: Path, store: Store) -> None:
    async with ScriptedImap(tmp_path) as server:
        for number in range(1, 6):
            server.add(number, mail(number), AT + number * DAY)
        server.uid_next = 3
        await read(store, server, Published())
        folder = await read(store, server, Published())
    assert folder.cursor.epoch == 0


@pytest.mark.row(76)
async def test_a_uidvalidity_that_changes_in_mid_session_ends_it_and_doubles_nothing(
    tmp_path: Path, store: Store
) -> None:
    async with ScriptedImap(tmp_path) as server:
        for number in range(1, 6):
            server.add(number, mail(number), AT + number * DAY)
        published = Published()
        await read(store, server, published)
        async with logged_in(server.imap, USER, PASSWORD) as session:
            folder = await open_folder(session, store, mailbox_of(server), published)
            server.uid_validity = 8
            server.mails = {uid + 1: lying for uid, lying in server.mails.items()}
            server.announces.append("* OK [UIDVALIDITY 8] new ones")
            with pytest.raises(ServerTrouble) as caught:
                await folder.read(session, full=True)
        assert caught.value.code == "uid_validity_changed"
        folder = await read(store, server, published)
    assert (folder.cursor.uid_validity, folder.cursor.epoch) == (8, 1)
    assert len(published.messages) == 5
    assert server.served.total() == 5


async def test_a_throttling_server_is_left_alone_for_as_long_as_it_says(tmp_path: Path, store: Store) -> None:
    async with ScriptedImap(tmp_path) as server:
        server.add(1, mail(1), AT)
        server.no_to["UID FETCH"] = "Request is throttled. Suggested Backoff Time: 92000 milliseconds"
        with pytest.raises(Throttled) as caught:
            await read(store, server, Published())
        assert caught.value.seconds == 92
        server.no_to.clear()
        published = Published()
        await read(store, server, published)
    assert len(published.messages) == 1


@pytest.mark.parametrize("action", [{"action": "move", "folder": "Processed"}, {"action": "delete", "after_days": 0}])
async def test_a_server_without_move_and_uidplus_gets_one_copy_and_nothing_is_expunged(
    tmp_path: Path, store: Store, action: dict[str, object]
) -> None:
    async with ScriptedImap(tmp_path, "IMAP4rev1") as server:
        server.add(1, mail(1), AT)
        server.add(2, mail(2), AT + DAY)
        published = Published()
        folder = await read(store, server, published)
        for mail_id in published.mail_ids:
            await finish(store, mail_id)
        aftermath = Aftermath(AfterFetch.model_validate(action), store, Limits().mail_bytes, Clock())
        async with logged_in(server.imap, USER, PASSWORD) as session:
            await session.select("INBOX")
            for _ in range(3):
                await aftermath.apply(session, folder.place, 0)
        copies = [raw for copied in server.folders.values() for raw in copied]
        assert copies == ([mail(1), mail(2)] if action["action"] == "move" else [])
        assert all("\\Deleted" in one.flags for one in server.mails.values())
        assert not [one for one in server.commands if "EXPUNGE" in one]


async def test_an_unfetchable_mail_is_never_touched_on_the_server(tmp_path: Path, store: Store) -> None:
    async with ScriptedImap(tmp_path) as server:
        server.add(1, mail(1), AT)
        server.refused.add(1)
        folder = await read_on(store, server, Published())
        (entry,) = await store.ledger.recent(NAME, 10)
        await store.ledger.mark_done([entry.mail_id])
        aftermath = Aftermath(AfterFetch(action=AfterFetchAction.MARK_SEEN), store, Limits().mail_bytes, Clock())
        async with logged_in(server.imap, USER, PASSWORD) as session:
            await session.select("INBOX")
            await aftermath.apply(session, folder.place, 0)
        assert server.mails[1].flags == set()
