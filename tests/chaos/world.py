"""The world that is broken: a real Dovecot, RabbitMQ and store behind proxies, and every service as its own process."""

import asyncio
import random
import shutil
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import SecretStr

from services.all_in_one.demo.dovecot import Dovecot
from services.all_in_one.embedded_store import EmbeddedStore
from services.all_in_one.launch import Launch
from services.all_in_one.rabbitmq import RabbitMQ
from services.all_in_one.system import System
from shared.runtime.clock import Clock
from shared.store.client import Store
from shared.store.settings import StoreSettings
from tests.chaos.events import EventLog, event_log
from tests.chaos.identity import identity
from tests.chaos.oracle import Oracle
from tests.chaos.proxy import Proxies, proxies
from tests.chaos.sink import MailSink, mail_sink
from tests.chaos.traffic import BLOCKED, Traffic
from tests.support.identity import Provider
from tests.support.pipeline import QUICK

BUDGETS = {
    "MAIL_AUTOMATOR_NOTIFIER_DOMAIN_PER_HOUR": "1000000",
    "MAIL_AUTOMATOR_NOTIFIER_GLOBAL_PER_HOUR": "1000000",
    "MAIL_AUTOMATOR_NOTIFIER_RETRY_SECONDS": "2",
    "MAIL_AUTOMATOR_NOTIFIER_FORGOTTEN_SECONDS": "10",
    "MAIL_AUTOMATOR_NOTIFIER_CLAIM_SECONDS": "6",
    "MAIL_AUTOMATOR_NOTIFIER_STEP_SECONDS": "10",
    "MAIL_AUTOMATOR_NOTIFIER_DOT_SECONDS": "15",
}
"""Every sender of the harness is of one domain, and patience is short; the budget of an address stays as it is."""
USERS = {"alpha": "secret-a", "beta": "secret-b", "gamma": "secret-c"}
PATH = "/usr/sbin:/usr/bin:/sbin:/bin"
OLD_KEY = "old.key"
"""The file, in the system's data folder, of the key that a rotation replaces."""


@dataclass
class World:
    """Everything a scenario may touch."""

    folder: Path
    seed: int
    dovecot: Dovecot
    rabbitmq: RabbitMQ
    server: EmbeddedStore
    proxies: Proxies
    sink: MailSink
    events: EventLog
    system: System
    store: Store
    store_settings: StoreSettings
    oracle: Oracle
    traffic: Traffic
    provider: Provider
    environ: Mapping[str, str]
    """What the services inherit; a second deployment gets the same."""
    log: list[str]
    chance: random.Random
    faults: list[str] = field(default_factory=list)
    hit: set[str] = field(default_factory=set)
    mails: int = 0
    """How many mails a soak delivers."""
    points: frozenset[str] = frozenset()
    """The crash points that S1x is restricted to; empty: to none."""
    told: bool = False
    """Whether each crash point is told of: hit or missed, and in how many seconds."""
    allowed: frozenset[str] = frozenset()
    """What the scenario that runs now allows (see Scenario.allows)."""
    raws: dict[str, tuple[str, str]] = field(default_factory=dict)
    """Token and sha256 of each raw mail that the checker has read, by mail_id."""
    withheld: set[str] = field(default_factory=set)
    """Mailboxes whose server lists mails that it never gives: no byte of them comes, so they bear no token."""
    silent: set[str] = field(default_factory=set)
    """Mailboxes that acknowledge nothing."""
    missed: list[str] = field(default_factory=list)
    """Crash points that were armed and never reached."""

    @property
    def plan(self) -> Path:
        """The file of the crash plan."""
        return self.folder / "crash.plan"

    def excused(self, allowance: str) -> bool:
        """Whether what happens now is excused by the scenario that runs."""
        return allowance in self.allowed

    def fault(self, what: str) -> None:
        """Note an injected fault."""
        self.faults.append(what)

    async def command(self, *arguments: str, seconds: float = 60) -> str:
        """`mail-automator` on this system: what it printed. It must succeed."""
        command = shutil.which("mail-automator", path=str(Path(sys.executable).parent))
        process = await asyncio.create_subprocess_exec(
            str(command), "--data", str(self.system.data), *arguments,
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT, env=dict(self.environ),
        )  # fmt: skip
        out, _ = await asyncio.wait_for(process.communicate(), seconds)
        assert process.returncode == 0, out.decode()
        return out.decode()

    def kill(self, service: str) -> bool:
        """kill -9 of one process of a service; False if it is down at the moment."""
        pids = [pid for pid in self.system.processes[service] if pid]
        if pids:
            self.system.kill(service, self.chance.randrange(len(pids)))
            self.fault(f"kill -9 {service}")
        return bool(pids)


@asynccontextmanager
async def world(
    folder: Path,
    seed: int,
    *,
    services: Mapping[str, int],
    environ: Mapping[str, str] | None = None,
    mailboxes: Mapping[str, str] = USERS,
    mails: int = 0,
    points: frozenset[str] = frozenset(),
    told: bool = False,
) -> AsyncIterator[World]:
    """A world in this folder, with its mailboxes configured; nothing of it is left afterwards but the folder."""
    said: list[str] = []
    rabbitmq, server = RabbitMQ(folder / "rabbitmq"), EmbeddedStore(folder / "store")
    async with (
        identity(folder) as (provider, tokens),
        Dovecot(folder / "dovecot", mailboxes, extra=tokens.dovecot) as dovecot,
        rabbitmq,
        server,
        mail_sink(folder) as sink,
    ):
        surroundings = {
            "PATH": PATH,
            "HOME": str(folder),
            "MAIL_AUTOMATOR_CRASH_PLAN": str(folder / "crash.plan"),
            "MAIL_AUTOMATOR_STORE_OLD_KEY_FILES": str(folder / "data" / OLD_KEY),
            **tokens.environ,
            **QUICK,
            **BUDGETS,
            **(environ or {}),
        }
        targets = {"imap": dovecot.tls_port, "amqp": rabbitmq.port, "store": server.port, "smtp": sink.port}
        async with proxies(folder, seed, targets) as links, event_log(rabbitmq.url, folder) as events:
            system = System(
                folder / "data",
                services,
                said.append,
                broker_url=rabbitmq.url.replace(f":{rabbitmq.port}/", f":{links.port('amqp')}/"),
                store_url=server.url.replace(str(server.port), str(links.port("store"))),
                environ=surroundings,
                launch=Launch(private=False, longest_pause_seconds=1),
            )
            async with system:
                settings = StoreSettings(url=SecretStr(server.url), key_file=system.key_file)
                store = await Store.open(settings, clock=Clock())
                try:
                    oracle = Oracle(folder / "oracle.jsonl")
                    traffic = Traffic(oracle, dovecot, tuple(mailboxes), seed)
                    made = World(
                        folder, seed, dovecot, rabbitmq, server, links, sink, events, system, store, settings, oracle,
                        traffic, provider, surroundings, said, random.Random(seed), mails=mails, points=points,
                        told=told,
                    )  # fmt: skip
                    await _configure(made)
                    yield made
                finally:
                    await store.close()


async def _configure(made: World) -> None:
    file = made.folder / "mailboxes.yaml"
    documents: list[str] = []
    for user, password in made.dovecot.users.items():
        secret = made.folder / f"{user}.password"
        secret.write_text(password)
        documents.append(
            _MAILBOX.format(
                name=user,
                port=made.proxies.port("imap"),
                smtp=made.proxies.port("smtp"),
                ca=made.dovecot.ca_file,
                smtp_ca=made.sink.ca_file,
                password=secret,
                blocked=BLOCKED,
            )
        )
    file.write_text("---".join(documents))
    await made.command("apply", "-f", str(file))


_MAILBOX = """
apiVersion: mail-automator/v1
kind: Mailbox
metadata: {{name: {name}}}
spec:
  module: ticket
  email: {name}@example.com
  imap: {{host: localhost, port: {port}, caFile: "{ca}", startFrom: all, pollSeconds: 5}}
  smtp: {{host: localhost, port: {smtp}, caFile: "{smtp_ca}"}}
  auth: {{type: basic, username: {name}, passwordFrom: {{file: "{password}"}}}}
  domains: {{allowDuplicates: false, blockedSenders: ["*@{blocked}"]}}
"""
