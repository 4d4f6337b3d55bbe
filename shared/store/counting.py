"""Counts what a process asks of the store, and how long the answers take, by collection and command.

Told by the driver, once for each command on the wire. Must never look at a document, nor fail: it is called from the
driver's own threads.
"""

from pymongo.monitoring import CommandFailedEvent, CommandListener, CommandStartedEvent, CommandSucceededEvent

from shared.observability.metrics import Metrics

_NO_COLLECTION = ""
_MORE = "getMore"


class CountedCommands(CommandListener):
    """Listens to the driver on behalf of the metrics. `waiting` are the commands that were not answered yet."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._waiting: dict[int, str] = {}

    def started(self, event: CommandStartedEvent) -> None:
        """Remember which collection it is about; the answer does not say."""
        about = event.command.get("collection" if event.command_name == _MORE else event.command_name)
        self._waiting[event.request_id] = about if isinstance(about, str) else _NO_COLLECTION

    def succeeded(self, event: CommandSucceededEvent) -> None:
        """One more."""
        self._count(event)

    def failed(self, event: CommandFailedEvent) -> None:
        """One more, too: it cost what it cost."""
        self._count(event)

    def _count(self, event: CommandSucceededEvent | CommandFailedEvent) -> None:
        labels = (self._waiting.pop(event.request_id, _NO_COLLECTION), event.command_name)
        self._metrics.store_commands.labels(*labels).inc()
        self._metrics.store_seconds.labels(*labels).inc(event.duration_micros / 1_000_000)
