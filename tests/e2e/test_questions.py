"""No question that the pipeline asks of the embedded store reads more the more mail there is.

Seen with a million mails in the books: each look of a fetcher at the belt took seconds, because the store had taken the
index of a field that is None nearly everywhere for a question by keys.
"""

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest

from services.all_in_one.embedded_store import EmbeddedStore
from tests.bench.generator import mails
from tests.support.pipeline import QUICK, Pipeline, pipeline
from tests.support.plans import whole
from tests.support.store_wire import wire

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]

USERS = {"support": "one secret of the test"}
MAILS = 120
GROWS = {
    "aggregate='outbound'": "counts acknowledgements in a hundredth of the time",
    "find='mails' filter={'seek.all': {'$exists': False}}": "asks at each start: for those of an older version",
    "find='tickets' filter={'seek.all': {'$exists': False}}": "as above",
}
"""What may read more, and why."""


async def test_what_mail_costs_the_store_does_not_grow_with_what_is_stored(tmp_path: Path) -> None:
    asked: list[bytes] = []

    def listen(data: bytes) -> bytes:
        if whole(data):
            asked.append(data)
        return data

    async with EmbeddedStore(tmp_path / "store") as store, wire(store.port, listen) as port:
        url = f"mongodb://127.0.0.1:{port}"
        async with pipeline(tmp_path, USERS, environ=QUICK, store_url=url) as system:
            await a_backlog_and_single_mails(system)
    faults = plans(tmp_path / "store" / "data", asked)
    assert [one for one in faults if not one.startswith(tuple(GROWS))] == []


async def a_backlog_and_single_mails(system: Pipeline) -> None:
    """And some seconds of the looks that are taken without any."""
    for raw in mails(MAILS):
        system.dovecot.deliver("support", raw)
    await system.add_mailbox("support", "support", "domains: {allowDuplicates: false}")
    await system.settled("support", MAILS)
    for raw in mails(3):
        system.dovecot.deliver("support", raw)
    await system.settled("support", MAILS + 3)
    await asyncio.sleep(5)


def plans(data: Path, asked: list[bytes]) -> list[str]:
    """What the store would read too much for; see tests/support/plans.py."""
    command = [sys.executable, "-m", "tests.support.plans", str(data)]
    told = subprocess.run(command, input=b"".join(asked), stdout=subprocess.PIPE, check=True).stdout
    *faults, count = told.decode().splitlines()
    assert int(count) > MAILS, "that many questions at least were listened to"
    return faults
