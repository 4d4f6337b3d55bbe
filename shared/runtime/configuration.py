"""The configuration as a process sees it: mailboxes and catalogue, cached, and never older than a few seconds.

The store counts every change in one number (the generation). A fan-out message says "look now"; a look every two
seconds is the safety behind it.
"""

import asyncio
import itertools
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

import structlog

from shared.domain.catalogue import Catalogue
from shared.domain.errors import AutomatorError
from shared.domain.mailbox import Mailbox
from shared.observability.metrics import Metrics

log = structlog.get_logger(__name__)

LOOK_SECONDS = 2.0
LOOKS_PER_FULL_READ = 30


class Mailboxes(Protocol):
    async def all(self) -> tuple[Mailbox, ...]: ...


class Catalogues(Protocol):
    async def load(self) -> Catalogue: ...


class Generations(Protocol):
    async def generation(self) -> int: ...


class Source(Protocol):
    """Where the configuration is kept: the store, as far as this module sees it."""

    @property
    def mailboxes(self) -> Mailboxes: ...
    @property
    def catalogue(self) -> Catalogues: ...
    @property
    def config(self) -> Generations: ...


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All configuration at one generation."""

    generation: int = -1
    mailboxes: Mapping[str, Mailbox] = field(default_factory=dict[str, Mailbox])
    catalogue: Catalogue = field(default_factory=Catalogue)
    own_addresses: frozenset[str] = frozenset()


class Configuration:
    """Holds the newest snapshot. Run `follow` beside the work."""

    def __init__(self, source: Source, metrics: Metrics) -> None:
        self._source = source
        self._metrics = metrics
        self.snapshot = Snapshot()

    async def refresh(self, *, anyway: bool = False) -> Snapshot:
        """Read anew if the generation moved, or `anyway`. Raises StoreUnavailable and ConfigurationError."""
        generation = await self._source.config.generation()
        if anyway or generation != self.snapshot.generation:
            mailboxes = await self._source.mailboxes.all()
            self.snapshot = Snapshot(
                generation=generation,
                mailboxes={one.name: one for one in mailboxes},
                catalogue=await self._source.catalogue.load(),
                own_addresses=frozenset(address for one in mailboxes for address in one.spec.addresses),
            )
            self._metrics.mailboxes_folded.set(self._metrics.shown.follow(self.snapshot.mailboxes))
            self._metrics.config_generation.set(generation)
        self._metrics.config_read.set_to_current_time()
        return self.snapshot

    async def mailbox(self, name: str) -> Mailbox | None:
        """A mailbox by name; one that is not in the snapshot is looked up anew before it counts as deleted."""
        if name not in self.snapshot.mailboxes:
            await self.refresh()
        return self.snapshot.mailboxes.get(name)

    async def follow(self, hint: asyncio.Event) -> None:
        """Refresh for ever: when `hint` is set, and at the latest every two seconds.

        Once a minute all is read, whatever the generation says: a change whose writer was killed before it counted.
        What cannot be read is said, and the last snapshot stays in force.
        """
        for look in itertools.count(1):
            try:
                async with asyncio.timeout(LOOK_SECONDS):
                    await hint.wait()
            except TimeoutError:
                pass
            hint.clear()
            try:
                await self.refresh(anyway=look % LOOKS_PER_FULL_READ == 0)
            except AutomatorError as error:
                log.warning("configuration_not_read", error=error.line())
