"""A backlog waits on the real Dovecot while nothing takes what was published; another mailbox's mail does not."""

import asyncio

import pytest

from services.all_in_one.demo.dovecot import Dovecot
from services.fetcher.belt import TimedBelt
from services.fetcher.handler import Limits
from shared.domain.ledger import DecisionWrite
from shared.runtime.clock import Clock
from shared.store.client import Store
from tests.support.builders import decision
from tests.support.dovecot import USERS
from tests.support.fetching import Published, eventually, following, support_mailbox, tools
from tests.support.imap import USER, mail

MAILS, ROOM = 120, 40
OTHER = next(one for one in USERS if one != USER)


@pytest.fixture
def belt(store: Store) -> TimedBelt:
    return TimedBelt(store.ledger, Clock().monotonic, room=ROOM)


async def decided(store: Store, published: Published) -> None:
    """The stages get through all that was published."""
    await store.ledger.decide_many(
        [DecisionWrite(mail_id=one, decision=decision(), trace=(), outbox=()) for one in published.mail_ids]
    )
    await store.ledger.mark_done(published.mail_ids)


async def published_of(published: Published, mailbox: str, count: int) -> bool:
    return sum(one.mailbox == mailbox for one in published.messages) >= count


async def test_a_backlog_waits_on_its_server_and_a_new_mail_of_another_mailbox_passes_it(
    dovecot: Dovecot, store: Store, belt: TimedBelt
) -> None:
    for number in range(MAILS):
        dovecot.deliver(USER, mail(number))
    await store.mailboxes.put(support_mailbox(dovecot), {}, create=True)
    await store.mailboxes.put(support_mailbox(dovecot, "requests", OTHER, USERS[OTHER]), {}, create=True)
    published = Published()
    async with following(store, tools(store, published, Limits(batch=100), belt=belt)):
        await eventually(lambda: published_of(published, "support", ROOM // 2))
        await asyncio.sleep(2)
        waiting = len(published.messages)
        assert waiting <= ROOM, "no stage gets on"
        dovecot.deliver(OTHER, mail(1000))
        await eventually(lambda: published_of(published, "requests", 1), seconds=10)
        assert len(published.messages) == waiting + 1
        for _ in range(60):
            await decided(store, published)
            if await published_of(published, "support", MAILS):
                break
            await asyncio.sleep(0.5)
    assert sorted(published.mail_ids) == sorted(set(published.mail_ids)), "each once"
    assert len(published.messages) == MAILS + 1


async def test_a_fetcher_whose_backlog_waits_stops_at_once(dovecot: Dovecot, store: Store, belt: TimedBelt) -> None:
    """And the next one takes the rest: what waited was never taken."""
    for number in range(MAILS):
        dovecot.deliver(USER, mail(number))
    await store.mailboxes.put(support_mailbox(dovecot), {}, create=True)
    published = Published()
    async with asyncio.timeout(30), following(store, tools(store, published, belt=belt)):
        await eventually(lambda: published_of(published, "support", ROOM // 2))
        await asyncio.sleep(1)
    async with following(store, tools(store, published), name="fetcher-2"):
        await eventually(lambda: published_of(published, "support", MAILS))
    assert sorted(published.mail_ids) == sorted(set(published.mail_ids))
