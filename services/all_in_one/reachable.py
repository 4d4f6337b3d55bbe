"""Whether a broker and a store answer: asked once, before any service is started, so that the answer is one line."""

from typing import Final

from pydantic import SecretStr

from shared.broker.client import Broker
from shared.broker.settings import BrokerSettings
from shared.observability.metrics import Metrics
from shared.runtime.clock import Clock
from shared.store.client import Store
from shared.store.settings import StoreSettings

PATIENCE_SECONDS: Final = 10.0


async def check_broker(url: str) -> None:
    """Connect and declare (or verify) the topology. Raises BrokerUnavailable or ConfigurationError."""
    settings = BrokerSettings(url=SecretStr(url), connect_deadline_seconds=PATIENCE_SECONDS)
    broker = await Broker.connect(settings, Metrics("all_in_one", "0"))
    await broker.close()


async def check_store(url: str) -> None:
    """Ask for a sign of life. Raises StoreUnavailable or ConfigurationError."""
    settings = StoreSettings(url=SecretStr(url), timeout_seconds=PATIENCE_SECONDS)
    store = await Store.open(settings, clock=Clock())
    await store.close()
