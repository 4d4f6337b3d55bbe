"""The whole pipeline for a test: a private Dovecot, and a System with every service as its own process."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path

from pydantic import SecretStr

from services.all_in_one.demo.dovecot import Dovecot
from services.all_in_one.launch import Launch
from services.all_in_one.settings import ONE_EACH
from services.all_in_one.system import System
from shared.domain.ledger import LedgerEntry, State
from shared.runtime.clock import Clock
from shared.store.client import Store
from shared.store.settings import StoreSettings
from tests.support.broker import tapped, without_queues
from tests.support.canary import check
from tests.support.dovecot import ShortLived

QUICK = {
    "MAIL_AUTOMATOR_BOOKKEEPER_LOOK_SECONDS": "1",
    "MAIL_AUTOMATOR_BOOKKEEPER_STALLED_SECONDS": "8",
    "MAIL_AUTOMATOR_BOOKKEEPER_OUTBOX_SECONDS": "3",
    "MAIL_AUTOMATOR_FETCHER_LEASE_SECONDS": "6",
}
"""The same behaviour with shorter patience, so that a test of it does not take minutes."""

FINAL = {State.DONE, State.QUARANTINED}


@dataclass
class Pipeline:
    """What a test holds of a running system."""

    folder: Path
    dovecot: Dovecot
    system: System
    store: Store
    log: list[str]

    async def command(self, *arguments: str) -> tuple[int, str, str]:
        """Run `mail-automator` on this system: exit code, output, errors."""
        process = await asyncio.create_subprocess_exec(
            Path(sys.executable).parent / "mail-automator",
            "--data",
            str(self.system.data),
            *arguments,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        out, err = await asyncio.wait_for(process.communicate(), 60)
        check(out + err, "the output of a command")
        return process.returncode or 0, out.decode(), err.decode()

    async def add_mailbox(self, name: str, user: str, extra: str = "", *options: str) -> None:
        """Describe a mailbox of the private Dovecot as YAML and apply it. `extra` is further YAML of the spec,
        `options` are of the command."""
        password = self.folder / f"{user}.password"
        password.write_text(self.dovecot.users[user])
        yaml = MAILBOX.format(
            name=name,
            user=user,
            port=self.dovecot.tls_port,
            ca=self.dovecot.ca_file,
            password=password,
            extra="\n".join(f"  {line}" for line in (extra if SENDING in extra else SILENT + extra).splitlines()),
        )
        file = self.folder / f"{name}.yaml"
        file.write_text(yaml)
        code, out, err = await self.command("apply", "-f", str(file), *options)
        assert code == 0, out + err

    async def entries(self, mailbox: str) -> tuple[LedgerEntry, ...]:
        """The books of a mailbox, newest first."""
        return await self.store.ledger.recent(mailbox, 10_000)

    async def settled(self, mailbox: str, count: int, seconds: float = 60) -> tuple[LedgerEntry, ...]:
        """Wait until the ledger knows that many mails of a mailbox and each is final; returns them."""
        entries: tuple[LedgerEntry, ...] = ()
        try:
            async with asyncio.timeout(seconds):
                while True:
                    entries = await self.entries(mailbox)
                    if len(entries) >= count and all(one.state in FINAL for one in entries):
                        return entries
                    await asyncio.sleep(0.2)
        except TimeoutError:
            states = [one.state.value for one in entries]
            tail = "\n".join(self.log[-60:])
            raise AssertionError(f"{len(entries)} of {count} mails, states {set(states)}\n{tail}") from None

    async def balance(self) -> dict[str, object]:
        """What `mail-automator audit` says, as a value; fails the test if the books do not balance."""
        code, out, err = await self.command("--output", "json", "audit")
        assert code == 0, out + err
        found: dict[str, object] = json.loads(out)
        return found


SENDING, SILENT = "acknowledgements:", "acknowledgements: {enabled: false}\n"

MAILBOX = """
apiVersion: mail-automator/v1
kind: Mailbox
metadata: {{name: {name}}}
spec:
  module: ticket
  email: {user}@example.com
  imap: {{host: localhost, port: {port}, caFile: "{ca}", startFrom: all}}
  auth: {{type: basic, username: {user}, passwordFrom: {{file: "{password}"}}}}
{extra}
"""


@asynccontextmanager
async def pipeline(
    folder: Path,
    users: Mapping[str, str],
    services: Mapping[str, int] = ONE_EACH,
    environ: Mapping[str, str] = QUICK,
    tap: bool = True,
    dovecot_extra: str = "",
    store_url: str | None = None,
    broker_url: str | None = None,
) -> AsyncIterator[Pipeline]:
    """Everything started, nothing configured yet; stopped without a process left. `store_url`: on a store of the test.
    `broker_url`: on a broker that others use before and after (one of its own takes as long to start as all services);
    its queues are deleted first. Whoever stops or freezes the broker takes none.

    What services write, and with `tap` every message that they send, is searched for secrets. `dovecot_extra` is more
    configuration of the mail server.
    """
    log: list[str] = []

    def written(line: str) -> None:
        log.append(line)
        check(line, "the stream of the services")

    base = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": str(folder)}
    if broker_url is not None:
        await without_queues(broker_url)
    async with ShortLived(folder / "dovecot", users, extra=dovecot_extra) as dovecot:
        system = System(
            folder / "data",
            services,
            written,
            broker_url=broker_url,
            store_url=store_url,
            environ={**base, **environ},
            launch=Launch(private=False),
        )
        async with system:
            settings = StoreSettings(url=SecretStr(system.store_url), key_file=system.key_file)
            store = await Store.open(settings, clock=Clock())
            try:
                async with tapped(system.broker_url) if tap else nullcontext():
                    yield Pipeline(folder, dovecot, system, store, log)
            finally:
                await store.close()
