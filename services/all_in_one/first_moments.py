"""The first moments of a private RabbitMQ node: its queues are declared, and their names are on disk, before any mail.

Seen in practice (RabbitMQ 3.10.8, one node): a node that is killed within half a second after a quorum queue was
declared has not yet written the queue's name to its disk (names.dets is saved after 500 ms). After the next start the
queue is there, but has no leader and never gets one: nothing can be published to it or consumed from it. So nothing is
sent through a node before it has settled, and what an unsettled one left behind, which holds no mail, is thrown away.
"""

import asyncio
import shutil
from pathlib import Path
from typing import Final

from services.all_in_one import reachable

SETTLE_SECONDS: Final = 1.0
MARK: Final = "settled"


def forget_unsettled(folder: Path) -> None:
    """Throw away the data of a node that died before it had settled. Call it only while the node does not run."""
    if not (folder / MARK).exists():
        shutil.rmtree(folder / "data", ignore_errors=True)


async def settle(folder: Path, broker_url: str) -> None:
    """Declare the topology and, the first time, wait until the node has it on its disk."""
    await reachable.check_broker(broker_url)
    if not (folder / MARK).exists():
        await asyncio.sleep(SETTLE_SECONDS)
        (folder / MARK).touch(mode=0o600)
