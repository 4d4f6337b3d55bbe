"""A bookkeeper on a test's store and broker."""

from datetime import timedelta

from services.bookkeeper.accounts import Accounts
from services.bookkeeper.handler import Bookkeeper, Patience
from services.bookkeeper.statistics import Counts
from services.bookkeeper.totals import Totals
from shared.broker.client import Broker
from shared.observability.metrics import Metrics
from shared.store.client import Store
from tests.support.embedded_store import FakeClock

SOURCE = "/mail-automator/test"
PATIENCE = Patience(stalled=timedelta(seconds=60), lost=timedelta(minutes=30), outbox=timedelta(seconds=15))


def bookkeeper(store: Store, broker: Broker, clock: FakeClock, metrics: Metrics) -> Bookkeeper:
    """With everything that the service gives it; it looks at three mails at a time, so that a few make many pages."""
    return Bookkeeper(
        store.ledger,
        store.tickets,
        store.articles,
        store.dead_messages,
        broker,
        clock,
        metrics,
        PATIENCE,
        SOURCE,
        accounts(store),
        Totals(store.ledger, clock),
        Counts(store.ledger, store.statistics, clock),
    )


def accounts(store: Store) -> Accounts:
    """Its accounts."""
    return Accounts(store.sightings, store.ledger, store.tickets, store.articles, page=3)
