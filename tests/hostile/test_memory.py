"""Hostile inputs, row 24 at the fetcher: mails of any size take no more than 300 MB of its process."""

import asyncio
import sys
from pathlib import Path

import pytest

from services.all_in_one.demo.dovecot import Dovecot
from shared.store.settings import StoreSettings
from tests.support import fetching
from tests.support.fetching import support_mailbox
from tests.support.imap import USER, mail

MB = 1_000_000
MOST = 300 * MB
ROOT = Path(fetching.__file__).parents[2]
READ_A_FOLDER = """
import asyncio, sys
from pathlib import Path
from pydantic import SecretStr
from shared.domain.mailbox import Mailbox
from shared.runtime.clock import Clock
from shared.store.client import Store
from shared.store.indexes import ensure_indexes
from shared.store.settings import StoreSettings
from tests.support.fetching import Published, open_folder
from tests.support.imap import logged_in

async def main():
    mailbox, published = Mailbox.model_validate_json(sys.argv[1]), Published()
    settings = StoreSettings(url=SecretStr(sys.argv[2]), database=sys.argv[3], key_file=sys.argv[4])
    store = await Store.open(settings, clock=Clock(), environ={})
    await ensure_indexes(store)
    async with logged_in(mailbox.spec.imap) as session:
        folder = await open_folder(session, store, mailbox, published)
        await folder.read(session, full=True)
    status = Path("/proc/self/status").read_text().splitlines()
    peak = next(line for line in status if line.startswith("VmHWM"))
    print(*(one.size for one in published.messages), int(peak.split()[1]) * 1024)

asyncio.run(main())
"""


@pytest.mark.parametrize("sizes", [(150 * MB,), (50 * MB, 50 * MB, 50 * MB)])
async def test_row_24_large_mails_on_a_real_server_take_less_than_300_mb_of_the_fetcher(
    dovecot: Dovecot, store_settings: StoreSettings, sizes: tuple[int, ...]
) -> None:
    """One over the cap, of which the start is taken, and several under it, which are taken whole."""
    raws = [mail(number, body=("x" * 98 + "\r\n") * (size // 100)) for number, size in enumerate(sizes)]
    for raw in raws:
        dovecot.deliver(USER, raw)
    assert store_settings.url is not None
    mailbox = support_mailbox(dovecot).model_dump_json()
    given = (mailbox, store_settings.url.get_secret_value(), store_settings.database, str(store_settings.key_file))
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", READ_A_FOLDER, *given, stdout=asyncio.subprocess.PIPE, cwd=ROOT
    )
    out, _ = await process.communicate()
    *taken, peak = map(int, out.split()[-len(raws) - 1 :])
    assert sorted(taken) == sorted(map(len, raws))
    assert peak < MOST, f"{peak / MB:.0f} MB"
