"""The notifier as processes of its own on a test's store and broker, to be killed or told to kill themselves."""

import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from services.all_in_one.process import kill, spawn, wait_until
from shared.broker.client import Broker
from shared.broker.messages import owed
from shared.broker.settings import BrokerSettings
from shared.contracts.events import ticket_created
from shared.domain.ticket import AcknowledgementState as State
from shared.domain.ticket import Ticket
from shared.store.client import Store
from shared.store.settings import StoreSettings
from tests.support.fetching import eventually

ROOT = Path(__file__).parents[2]
QUICK = {"CLAIM": 1, "LOOK": 0.1, "RETRY": 0.2, "DOT": 20, "DRAIN": 0.5}
ENDS = {State.SENT, State.UNKNOWN, State.FAILED, State.SUPPRESSED}


class Notifiers:
    """Starts notifiers, with quick patience and wide budgets for an address."""

    def __init__(self, store: StoreSettings, broker: BrokerSettings, folder: Path) -> None:
        self.folder = folder
        self._running: list[subprocess.Popen[bytes]] = []
        settings = {
            "STORE_URL": store.url.get_secret_value(),
            "STORE_DATABASE": store.database,
            "STORE_KEY_FILE": str(store.key_file),
            "STORE_CHECK_SECONDS": "0.3",
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

    async def died(self, process: subprocess.Popen[bytes]) -> None:
        """Wait until it was killed."""
        assert await wait_until(lambda: process.poll() is not None, 30), self.log[-2000:]
        assert process.returncode == -signal.SIGKILL, self.log[-2000:]

    async def stop(self) -> None:
        """None is left."""
        for one in self._running:
            await kill(one)

    @property
    def log(self) -> str:
        """What all of them said."""
        return (self.folder / "log").read_text()


@asynccontextmanager
async def notifiers(store: StoreSettings, broker: BrokerSettings, folder: Path) -> AsyncIterator[Notifiers]:
    """None yet; all are gone at the end."""
    made = Notifiers(store, broker, folder)
    try:
        yield made
    finally:
        await made.stop()


async def announce(broker: Broker, store: Store, *tickets: Ticket) -> None:
    """Tickets are written, and their events published."""
    await store.tickets.insert_many(tickets)
    await broker.publish_all([owed(ticket_created(one)) for one in tickets])


async def ended(store: Store, *tickets: Ticket, seconds: float = 30) -> list[State]:
    """Wait until each acknowledgement has come to an end and its ticket shows it; their states."""
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
