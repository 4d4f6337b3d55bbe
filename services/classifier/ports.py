"""What the classifier asks: the configuration of today."""

from typing import Protocol

from shared.domain.mailbox import Mailbox
from shared.runtime.configuration import Snapshot


class Configuration(Protocol):
    """Mailboxes and catalogue, cached."""

    @property
    def snapshot(self) -> Snapshot: ...
    async def mailbox(self, name: str) -> Mailbox | None: ...
