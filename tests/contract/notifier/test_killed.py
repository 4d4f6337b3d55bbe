"""kill -9 of the real service at each of its steps, and what the one that is started after it makes of what is left.

At most one mail per ticket, always; `unknown` only where the final dot may have been on its way.
"""

import asyncio
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from services.all_in_one.process import kill, spawn, wait_until
from shared.broker import topology
from shared.broker.client import Broker
from shared.broker.messages import owed
from shared.broker.settings import BrokerSettings
from shared.contracts.events import ticket_created
from shared.domain.mailbox import Mailbox
from shared.domain.ticket import AcknowledgementState as State
from shared.domain.ticket import Ticket
from shared.store.client import Store
from shared.store.settings import StoreSettings
from tests.support.fetching import eventually
from tests.support.notifying import mailbox, ticket
from tests.support.smtp_sink import Fault, Sink, smtp_sink

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(90)]

ROOT = Path(__file__).parents[3]
QUICK = {"CLAIM": 1, "LOOK": 0.1, "RETRY": 0.2, "DOT": 20, "DRAIN": 0.5}
ENDS = {State.SENT, State.UNKNOWN, State.FAILED, State.SUPPRESSED}


class Killable:
    """Starts notifiers on the test's store and broker."""

    def __init__(self, store: StoreSettings, broker: BrokerSettings, folder: Path) -> None:
        self.folder = folder
        self._running: list[subprocess.Popen[bytes]] = []
        settings = {
            "STORE_URL": store.url.get_secret_value(),
            "STORE_DATABASE": store.database,
            "STORE_KEY_FILE": str(store.key_file),
            "BROKER_URL": broker.url.get_secret_value(),
            "LOG_FORMAT": "json",
            "NOTIFIER_ADDRESS_PER_HOUR": "100",
            "NOTIFIER_ADDRESS_PER_DAY": "100",
            **{f"NOTIFIER_{name}_SECONDS": str(value) for name, value in QUICK.items()},
        }
        self._env = {f"MAIL_AUTOMATOR_{name}": value for name, value in settings.items()}

    def start(self, point: str = "", hit: int = 1) -> subprocess.Popen[bytes]:
        """One more; it kills itself at the point, if one is named."""
        arm = [f"{point}:{hit}:{self.folder / 'marker'}"] if point else []
        with (self.folder / "log").open("ab") as log:
            env = {**self._env, "PATH": "/usr/bin:/bin", "PYTHONPATH": str(ROOT)}
            started = spawn([sys.executable, "-m", "tests.support.armed_notifier", *arm], env=env, output=log)
        self._running.append(started)
        return started

    async def stop(self) -> None:
        for one in self._running:
            await kill(one)

    @property
    def log(self) -> str:
        return (self.folder / "log").read_text()


@asynccontextmanager
async def killable(store: StoreSettings, broker: BrokerSettings, folder: Path) -> AsyncIterator[Killable]:
    made = Killable(store, broker, folder)
    try:
        yield made
    finally:
        await made.stop()


async def announce(broker: Broker, store: Store, *tickets: Ticket) -> None:
    await store.tickets.insert_many(tickets)
    await broker.publish_all([owed(ticket_created(one)) for one in tickets])


async def ended(store: Store, *tickets: Ticket, seconds: float = 30) -> list[State]:
    """Wait until each has come to an end and its ticket shows it; their states."""
    states: list[State] = []

    async def all_done() -> bool:
        states.clear()
        for one in tickets:
            found, shown = await store.outbound.get(one.ticket_id), await store.tickets.get(one.ticket_id)
            if found is None or found.state not in ENDS or shown is None or shown.acknowledgement != found.status:
                return False
            states.append(found.state)
        return True

    await eventually(all_done, seconds)
    return states


async def died(process: subprocess.Popen[bytes], log: Killable) -> None:
    assert await wait_until(lambda: process.poll() is not None, 30), log.log[-2000:]
    assert process.returncode == -signal.SIGKILL, log.log[-2000:]


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
    async with smtp_sink(tmp_path) as sink, killable(store_settings, broker_settings, tmp_path) as services:
        await stored(store, sink)
        first, others = ticket(1), [ticket(n) for n in range(2, 6)]
        doomed = services.start(point)
        await announce(broker, store, first)
        await died(doomed, services)
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
    async with smtp_sink(tmp_path) as sink, killable(store_settings, broker_settings, tmp_path) as services:
        sink.slow = 30
        await stored(store, sink)
        made, doomed = ticket(), services.start()
        await announce(broker, store, made)
        async with asyncio.timeout(20):
            await sink.began.wait()
        doomed.kill()
        await died(doomed, services)
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
    async with smtp_sink(tmp_path) as sink, killable(store_settings, broker_settings, tmp_path) as services:
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
    async with smtp_sink(tmp_path) as sink, killable(store_settings, broker_settings, tmp_path) as services:
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
