"""kill -9 of the real service at each of its steps, and what the one that is started after it makes of what is left.

At most one mail per ticket, always; `unknown` only where the final dot may have been on its way.
"""

import asyncio
import signal
from collections import Counter
from pathlib import Path

import pytest

from services.all_in_one.process import wait_until
from shared.broker import topology
from shared.broker.client import Broker
from shared.broker.settings import BrokerSettings
from shared.domain.mailbox import Mailbox
from shared.domain.ticket import AcknowledgementState as State
from shared.store.client import Store
from shared.store.settings import StoreSettings
from tests.support.fetching import eventually
from tests.support.notifier_process import announce, ended, notifiers
from tests.support.notifying import mailbox, ticket
from tests.support.smtp_sink import Fault, Sink, smtp_sink

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(90)]


async def stored(store: Store, sink: Sink, name: str = "support") -> Mailbox:
    return await store.mailboxes.put(mailbox(sink, name), {})


@pytest.mark.parametrize(
    ("point", "expected", "arrived"),
    [
        ("notifier.after_taken", State.SENT, 1),
        ("notifier.after_claim", State.SENT, 1),
        ("notifier.after_budget", State.SENT, 1),
        ("notifier.after_data_started", State.UNKNOWN, 0),
        ("notifier.after_dot", State.UNKNOWN, 1),
        ("notifier.after_sent", State.SENT, 1),
    ],
)
async def test_killed_at_any_step_it_sends_at_most_once(
    store: Store,
    store_settings: StoreSettings,
    broker: Broker,
    broker_settings: BrokerSettings,
    tmp_path: Path,
    point: str,
    expected: State,
    arrived: int,
) -> None:
    async with smtp_sink(tmp_path) as sink, notifiers(store_settings, broker_settings, tmp_path) as services:
        await stored(store, sink)
        first, others = ticket(1), [ticket(n) for n in range(2, 6)]
        doomed = services.start(point)
        await announce(broker, store, first)
        await services.died(doomed)
        await announce(broker, store, *others)
        services.start()
        states = await ended(store, first, *others)
        assert states == [expected, *[State.SENT] * len(others)]
        count = Counter(one.ticket_id for one in sink.taken)
        assert count[first.ticket_id] == arrived
        assert all(count[one.ticket_id] == 1 for one in others)
        assert await broker.depth(topology.NOTIFIER.name) == 0
        assert "alice@example.org" not in services.log


async def test_killed_while_the_server_keeps_it_waiting_it_sends_once_after_that(
    store: Store, store_settings: StoreSettings, broker: Broker, broker_settings: BrokerSettings, tmp_path: Path
) -> None:
    async with smtp_sink(tmp_path) as sink, notifiers(store_settings, broker_settings, tmp_path) as services:
        sink.slow = 30
        await stored(store, sink)
        made, doomed = ticket(), services.start()
        await announce(broker, store, made)
        async with asyncio.timeout(20):
            await sink.began.wait()
        doomed.kill()
        await services.died(doomed)
        sink.slow = 0
        services.start()
        assert await ended(store, made) == [State.SENT]
        assert len(sink.taken) == 1


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
async def test_ended_while_it_waits_for_the_reply_to_the_dot_it_is_unknown(
    store: Store,
    store_settings: StoreSettings,
    broker: Broker,
    broker_settings: BrokerSettings,
    tmp_path: Path,
    number: signal.Signals,
) -> None:
    async with smtp_sink(tmp_path) as sink, notifiers(store_settings, broker_settings, tmp_path) as services:
        sink.faults = [Fault.STALL_AFTER_DOT]
        await stored(store, sink)
        made, doomed = ticket(), services.start()
        await announce(broker, store, made)
        await eventually(_has_taken(sink, 1))
        doomed.send_signal(number)
        assert await wait_until(lambda: doomed.poll() is not None, 20)
        assert doomed.returncode == (0 if number is signal.SIGTERM else -signal.SIGKILL)
        services.start()
        assert await ended(store, made) == [State.UNKNOWN]
        assert len(sink.taken) == 1


async def test_two_of_them_share_the_work_and_double_nothing_while_they_are_killed_at_random(
    store: Store, store_settings: StoreSettings, broker: Broker, broker_settings: BrokerSettings, tmp_path: Path
) -> None:
    tickets = [ticket(n) for n in range(60)]
    async with smtp_sink(tmp_path) as sink, notifiers(store_settings, broker_settings, tmp_path) as services:
        await stored(store, sink)
        running = [services.start(), services.start()]
        for part in range(0, 60, 15):
            await announce(broker, store, *tickets[part : part + 15])
            await eventually(_has_taken(sink, part // 2))
            running[0].kill()
            running = [running[1], services.start()]
        states = Counter(await ended(store, *tickets, seconds=45))
        count = Counter(one.ticket_id for one in sink.taken)
        assert max(count.values()) == 1
        assert set(states) <= {State.SENT, State.UNKNOWN}
        assert states[State.UNKNOWN] <= 4, "at most one per kill"
        assert states[State.SENT] <= len(count)


def _has_taken(sink: Sink, count: int):
    async def there() -> bool:
        return len(sink.taken) >= count

    return there
