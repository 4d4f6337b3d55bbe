"""A process that ends itself at a crash point: `python -m tests.support.dying PLAN WORK ARGUMENT...`.

WORK is a function of this module; the store is that of the environment. `dies` runs it and sees to it that it died.
"""

import asyncio
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

from services.bookkeeper.retention import Periods, Retention
from services.console import erasure
from services.fetcher.handler import Limits
from shared.oauth.authorities import Authorities
from shared.oauth.delegated import DelegatedTokens
from shared.observability.crash_points import arm
from shared.observability.metrics import Metrics
from shared.runtime.clock import Clock
from shared.store.client import Store
from shared.store.fading import Part
from shared.store.settings import StoreSettings
from tests.support.fetching import Published, following, tools
from tests.support.sign_ins import application

SECONDS = 60.0


async def dies(settings: StoreSettings, point: str, work: str, *arguments: str, old_key: Path | None = None) -> None:
    """Run the work on that store in a process that must die at that point."""
    marker = str(settings.key_file) + f".{point}"
    victim = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-m", "tests.support.dying", f"{point}:1:{marker}", work, *arguments],
        env={
            "PYTHONPATH": ":".join(one for one in sys.path if one),
            "MAIL_AUTOMATOR_STORE_URL": settings.url.get_secret_value(),
            "MAIL_AUTOMATOR_STORE_DATABASE": settings.database,
            "MAIL_AUTOMATOR_STORE_KEY_FILE": str(settings.key_file),
            **({"MAIL_AUTOMATOR_STORE_OLD_KEY_FILES": str(old_key)} if old_key else {}),
        },
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert victim.returncode == -9, victim.stderr[-2000:]
    assert Path(marker).exists()


async def renews(store: Store, name: str, authority: str, ca_file: str) -> None:
    """Gets a token of the person who signed in for a mailbox."""
    tokens = DelegatedTokens(Authorities([authority], Path(ca_file)), Clock(), store.sign_ins, 3)
    mailbox = await store.mailboxes.get(name)
    assert mailbox is not None
    await tokens.token(mailbox, await application(store, mailbox))


async def rewraps(store: Store) -> None:
    """Rotates the key."""
    await store.rotation.rewrap()


async def expires(store: Store) -> None:
    """One look of the retention that keeps nothing for longer than a day, by the clock of today."""
    day = timedelta(days=1)
    metrics, periods = Metrics("bookkeeper", "test"), Periods({Part.RAW: day, Part.ROW: day}, day)
    await Retention(store.fading, store.audit, Clock(), metrics, periods).expire()


async def erases(store: Store, address: str) -> None:
    """Erases what is held of an address."""
    scope = await erasure.look(store, address)
    await erasure.erase(store, "test", scope, await erasure.count(store, scope))


async def follows(store: Store) -> None:
    """Reads all mailboxes; ten unknown mails that have come back are taken without asking a person."""
    async with following(store, tools(store, Published(), Limits(reappeared=10)), "victim"):
        await asyncio.sleep(SECONDS)


async def main(plan: str, work: str, *arguments: str) -> None:
    """Arm this process, then work."""
    arm(plan)
    store = await Store.open(StoreSettings(), clock=Clock())
    works = {"renews": renews, "rewraps": rewraps, "expires": expires, "erases": erases, "follows": follows}
    await works[work](store, *arguments)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
