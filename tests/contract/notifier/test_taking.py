"""News of tickets on a real broker: taken once, patient with a ticket that is late, strict with what is no event."""

import asyncio
from datetime import timedelta
from pathlib import Path

from shared.broker import topology
from shared.broker.client import Broker
from shared.broker.messages import owed
from shared.broker.settings import BrokerSettings
from shared.contracts.codec import Envelope
from shared.contracts.events import ticket_created
from shared.domain.ticket import AcknowledgementState as State
from shared.store.client import Store
from shared.store.indexes import ensure_indexes
from shared.store.settings import StoreSettings
from tests.support.embedded_store import drop_index
from tests.support.fetching import eventually
from tests.support.notifier_process import announce, ended, notifiers
from tests.support.notifying import mailbox, office, ticket
from tests.support.smtp_sink import smtp_sink


async def test_events_are_taken_whatever_smtp_does_and_each_ticket_shows_its_reason(
    store: Store, store_settings: StoreSettings, broker: Broker, broker_settings: BrokerSettings, tmp_path: Path
) -> None:
    async with smtp_sink(tmp_path) as sink, notifiers(store_settings, broker_settings, tmp_path) as services:
        sink.slow = 60
        await store.mailboxes.put(mailbox(sink), {})
        stuck, quiet = [ticket(n) for n in range(1, 30)], ticket(30, addressed=False)
        services.start()
        await announce(broker, store, *stuck, quiet)
        await announce(broker, store, *stuck)
        assert await ended(store, quiet) == [State.SUPPRESSED]
        shown = await store.tickets.get(quiet.ticket_id)
        assert shown is not None and shown.acknowledgement is not None
        assert (shown.acknowledgement.code, shown.acknowledgement.sentence) == (
            "not_addressed",
            "The mailbox stands neither in To nor in Cc.",
        )

        async def all_taken() -> bool:
            return (
                await broker.depth(topology.NOTIFIER.name) == 0
                and sum((await store.outbound.count_by_state()).values()) == len(stuck) + 1
            )

        await eventually(all_taken)


async def test_news_that_overtakes_its_ticket_waits_for_it_and_what_is_no_event_goes_to_the_dead_letters(
    store: Store, store_settings: StoreSettings, broker: Broker, broker_settings: BrokerSettings, tmp_path: Path
) -> None:
    async with smtp_sink(tmp_path) as sink, notifiers(store_settings, broker_settings, tmp_path) as services:
        await store.mailboxes.put(mailbox(sink), {})
        services.start()
        late, never = ticket(1), ticket(2)
        await broker.publish_all([owed(ticket_created(one)) for one in (late, never)])

        nonsense = Envelope(b'{"type": "x"}', "application/json", "x", "m")
        await broker.publish(topology.TICKETS, "ticket.created.x", [nonsense])
        await store.tickets.insert_many([late])
        assert await ended(store, late) == [State.SENT]

        async def both_refused() -> bool:
            return await broker.depth(topology.DEAD_LETTERS.name) == 2

        await eventually(both_refused)
        assert await store.outbound.get(never.ticket_id) is None
        assert "unknown_ticket" in services.log and "message_refused" in services.log


async def test_while_a_unique_index_is_gone_nothing_is_taken_or_sent_and_once_it_is_back_everything_is(
    store: Store, store_settings: StoreSettings, broker: Broker, broker_settings: BrokerSettings, tmp_path: Path
) -> None:
    async with smtp_sink(tmp_path) as sink, notifiers(store_settings, broker_settings, tmp_path) as services:
        await store.mailboxes.put(mailbox(sink), {})
        before, held = ticket(1), ticket(2)
        services.start()
        await announce(broker, store, before)
        assert await ended(store, before) == [State.SENT]
        await drop_index(store_settings, "tickets", "number")

        async def is_held() -> bool:
            return "work_held" in services.log

        await eventually(is_held)
        await announce(broker, store, held)
        await asyncio.sleep(2)
        assert await store.outbound.get(held.ticket_id) is None, "nothing was taken"
        await ensure_indexes(store)
        assert await ended(store, held) == [State.SENT]


async def test_a_ticket_whose_news_never_came_is_found_and_taken_once(store: Store, tmp_path: Path) -> None:
    async with smtp_sink(tmp_path) as sink:
        desk = await office(store, mailbox(sink))
        earlier = {"created_at": desk.tools.clock.now() - timedelta(minutes=1)}
        told, untold = ticket(1).model_copy(update=earlier), ticket(2).model_copy(update=earlier)
        await store.tickets.insert_many([told, untold])
        await desk.notifier.take({told.ticket_id})
        assert await store.tickets.unanswered(told.created_at - timedelta(seconds=1), 10) == ()
        assert await store.tickets.unanswered(desk.tools.clock.now(), 10) == (untold.ticket_id,)
        await desk.notifier.find_forgotten()
        assert await store.tickets.unanswered(desk.tools.clock.now(), 10) == ()
        found = await store.outbound.get(untold.ticket_id)
        assert found is not None and found.state is State.PENDING


async def test_only_what_is_to_be_sent_has_somebody_look_for_it(store: Store, tmp_path: Path) -> None:
    """A look asks the store five things; most tickets of a flood of machines' mail are not acknowledged."""
    async with smtp_sink(tmp_path) as sink:
        desk = await office(store, mailbox(sink))
        await desk.owe(ticket(1, addressed=False), ticket(2, addressed=False))
        assert not desk.lanes.wake.is_set()
        await desk.owe(ticket(3, addressed=False), ticket(4))
        assert desk.lanes.wake.is_set()
