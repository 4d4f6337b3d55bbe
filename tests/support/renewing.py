"""A process that renews a mailbox's sign-in and is killed at once: `before` the new one is stored, or `after`.

Run as `python -m tests.support.renewing WHEN MAILBOX AUTHORITY CA_FILE`, with the settings of the store.
"""

import asyncio
import os
import signal
import sys
from pathlib import Path

from pydantic import SecretStr

from shared.domain.mailbox import Mailbox
from shared.oauth.authorities import Authorities
from shared.oauth.delegated import DelegatedTokens
from shared.runtime.clock import Clock
from shared.store.client import Store
from shared.store.settings import StoreSettings
from shared.store.sign_ins import SignIns
from tests.support.sign_ins import application


class Fatal:
    """The store's sign-ins, deadly to whoever renews one."""

    def __init__(self, sign_ins: SignIns, when: str) -> None:
        self._sign_ins = sign_ins
        self._when = when

    def __getattr__(self, name: str) -> object:
        return getattr(self._sign_ins, name)

    async def renew(self, mailbox: Mailbox, rev: int, cache: SecretStr) -> bool:
        if self._when == "after":
            assert await self._sign_ins.renew(mailbox, rev, cache)
        os.kill(os.getpid(), signal.SIGKILL)
        return False


async def main(when: str, name: str, authority: str, ca_file: str) -> None:
    store = await Store.open(StoreSettings(), clock=Clock())
    tokens = DelegatedTokens(Authorities([authority], Path(ca_file)), Clock(), Fatal(store.sign_ins, when))
    mailbox = await store.mailboxes.get(name)
    assert mailbox is not None
    await tokens.token(mailbox, await application(store, mailbox))


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
