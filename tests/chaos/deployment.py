"""A second deployment beside the world's own, on its store: by mistake, or an older version during an upgrade."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from services.all_in_one.launch import Launch
from services.all_in_one.settings import PIPELINE
from services.all_in_one.system import System
from tests.chaos.world import World

SERVICES = {**{name: 1 for name in PIPELINE if name != "console"}, "fetcher": 2}
"""Two fetchers, as the world's own has: of three, the third may have no mailbox, and that is fair (four mailboxes)."""
HANDLED = '"mail_id"'
"""What the one line that a stage writes per mail has."""


@dataclass
class Deployment:
    """It, and each line that its services wrote."""

    system: System
    log: list[str] = field(default_factory=list[str])

    def handled(self, service: str) -> int:
        """How many mails that service says it handled."""
        return handled(self.log, service)


def handled(log: list[str], service: str) -> int:
    """Lines of that service that tell of a mail."""
    return sum(line.startswith(f"{service}[") and HANDLED in line for line in log)


@dataclass(frozen=True)
class OtherSource(Launch):
    """Launches what lies in another folder (`services`, `shared`), without the settings that are newer than it."""

    source: Path = Path()
    newer: frozenset[str] = frozenset()

    def environment(
        self, environ: Mapping[str, str], broker_url: str, store_url: str, key_file: Path | None, admin_port: int
    ) -> dict[str, str]:
        """As today's, without what it would refuse, and without the folder that we are in (`python -m` looks there)."""
        known = super().environment(environ, broker_url, store_url, key_file, admin_port)
        kept = {name: value for name, value in known.items() if name not in self.newer}
        return {**kept, "PYTHONPATH": str(self.source), "PYTHONSAFEPATH": "1"}


@asynccontextmanager
async def deployment(
    world: World,
    name: str,
    *,
    broker_url: str | None = None,
    source: Path | None = None,
    newer: frozenset[str] = frozenset(),
) -> AsyncIterator[Deployment]:
    """Started, on the world's store and (unless another is given) its broker, with its key; stopped at the end.

    `source` is the folder of another version, which does not know the settings `newer`.
    """
    key = world.system.key_file
    launch = Launch(key_file=key, private=False)
    if source is not None:
        launch = OtherSource(key_file=key, private=False, source=source, newer=newer)
    log: list[str] = []

    def say(line: str) -> None:
        log.append(line)
        world.log.append(f"{name}: {line}")

    system = System(
        world.folder / name,
        SERVICES,
        say,
        broker_url=broker_url or world.system.broker_url,
        store_url=world.system.store_url,
        environ=world.environ,
        launch=launch,
    )
    async with system:
        yield Deployment(system, log)
