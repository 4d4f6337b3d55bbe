"""Mails whose rows were bared are still in their mailbox: however they come back, nothing of them is new. Dovecot."""

import pytest

from services.all_in_one.demo.dovecot import Dovecot
from shared.domain.decision import Kind
from shared.domain.ledger import DecisionWrite
from shared.store.client import Store
from shared.store.fading import Part
from shared.store.settings import StoreSettings
from tests.contract.imap.test_reappearance import LONG_AGO, forget, read
from tests.support.builders import decision
from tests.support.dovecot import USERS
from tests.support.dying import dies
from tests.support.embedded_store import FakeClock
from tests.support.fetching import NAME, support_mailbox
from tests.support.imap import USER, logged_in, mail

MAILS = 5


async def bared(dovecot: Dovecot, store: Store, clock: FakeClock) -> list[str]:
    """Mails that were taken, rejected, and whose rows were bared since; two are identical copies."""
    for number in (0, 1, 2, 3, 3):
        dovecot.deliver(USER, mail(number), received=LONG_AGO)
    published, _, _ = await read(store, support_mailbox(dovecot))
    writes = [DecisionWrite(mail_id=one, decision=decision(), trace=()) for one in published.mail_ids]
    await store.ledger.decide_many(writes)
    await store.ledger.mark_done(published.mail_ids)
    mails = await store.fading.ended(Kind.REJECTED, "", clock.advance(days=500), 100)
    assert await store.fading.drop(Part.ROW, mails, clock.now()) == MAILS
    return published.mail_ids


async def is_as_before(store: Store, ids: list[str]) -> bool:
    rows = await store.ledger.get_many(ids)
    if await store.collection("mail_words").find({}):
        return False
    bare = all(row.headline.sender is None and row.gone.row for row in rows.values())
    return bare and not await store.raw.has(ids) and len(await store.ledger.recent(NAME, 100)) == MAILS


@pytest.mark.parametrize("doomed", ["dovecot-uidlist", "dovecot*"])
async def test_renumbered_mails_of_bare_rows_are_known(
    dovecot: Dovecot, store: Store, clock: FakeClock, doomed: str
) -> None:
    """New UIDs under the same UIDVALIDITY, and under a new one."""
    ids = await bared(dovecot, store, clock)
    await dovecot.stop()
    forget(dovecot, doomed)
    await dovecot.start()
    again, bodies, _ = await read(store, support_mailbox(dovecot))
    assert (again.mail_ids, bodies) == ([], 0)
    assert await is_as_before(store, ids)


async def test_mails_that_are_moved_away_and_back_are_known(dovecot: Dovecot, store: Store, clock: FakeClock) -> None:
    ids = await bared(dovecot, store, clock)
    async with logged_in(support_mailbox(dovecot).spec.imap, USER, USERS[USER]) as session:
        await session.select("INBOX")
        uids = await session.search_all()
        await session.move(uids, "Archive")
        await session.select("Archive")
        await session.move(await session.search_all(), "INBOX")
    again, _, _ = await read(store, support_mailbox(dovecot))
    assert again.mail_ids == []
    assert await is_as_before(store, ids)


async def forget_the_cursor(store: Store) -> None:
    for name in ("mailbox_runtime", "sightings"):
        await store.collection(name).delete({})


async def test_a_mail_that_is_downloaded_again_does_not_leave_its_raw_behind(
    dovecot: Dovecot, store: Store, clock: FakeClock
) -> None:
    """Without a cursor nothing tells that the mail is known before it has been written."""
    ids = await bared(dovecot, store, clock)
    await forget_the_cursor(store)
    again, bodies, _ = await read(store, support_mailbox(dovecot))
    assert (again.mail_ids, bodies) == ([], MAILS)
    assert await is_as_before(store, ids)


async def test_killed_after_that_it_is_gone_all_the_same(
    dovecot: Dovecot, store: Store, store_settings: StoreSettings, clock: FakeClock
) -> None:
    ids = await bared(dovecot, store, clock)
    await store.mailboxes.put(support_mailbox(dovecot), {}, create=True)
    await forget_the_cursor(store)
    await dies(store_settings, "fetcher.after_kept_away", "follows")
    assert await is_as_before(store, ids)
