"""Every service in a container of the image, confined as its manifest says, on a real broker and a real store, from a
mail in a real mailbox to its ticket, to the last SIGTERM.
"""

import asyncio
import json
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from services.all_in_one.demo.dovecot import Dovecot
from shared.broker.settings import BrokerSettings
from shared.store.settings import StoreSettings
from tests.deploy.manifests import SERVICES, component, containers_of, named, of_kind
from tests.image.containers import USER, Deployed, Running, lay
from tests.image.engine import Engine
from tests.support.dovecot import USERS
from tests.support.mails import mail

pytestmark = pytest.mark.timeout(2400)

START_SECONDS = 240
MAIL_SECONDS = 120
READ = "Uid CapPrm CapEff CapBnd CapAmb NoNewPrivs Seccomp"
CONFINEMENT = f"""
import os
fields = dict(line.split(":\\t", 1) for line in open("/proc/1/status").read().splitlines() if ":\\t" in line)
print([fields[name].split()[0] for name in "{READ}".split()])
for file in ("/x", "/opt/mail-automator/x", "/run/x", "/var/tmp/x", "/run/secrets/mail-automator/x"):
    try:
        print(file, open(file, "w"))
    except OSError as error:
        pass
open("/tmp/x", "w").close()
"""
MAILBOX = """
apiVersion: mail-automator/v1
kind: Mailbox
metadata: {{name: support}}
spec:
  module: ticket
  email: {user}
  imap: {{host: localhost, port: {port}, caFile: /run/secrets/mailboxes/ca.pem, startFrom: all}}
  auth: {{type: basic, username: {user}, passwordFrom: {{file: /run/secrets/mailboxes/support}}}}
  acknowledgements: {{enabled: false}}
"""


async def test_a_mail_becomes_a_ticket_and_every_service_is_confined_healthy_and_ends_in_its_time(
    engine: Engine,
    image: str,
    dovecot: Dovecot,
    store_settings: StoreSettings,
    broker_settings: BrokerSettings,
    tmp_path: Path,
) -> None:
    """The job's commands first, as before a roll-out."""
    deployed = Deployed(engine, image, tmp_path, store_settings, broker_settings)
    user, password = next(iter(USERS.items()))
    lay(deployed.mailboxes / "support", password)
    lay(deployed.mailboxes / "ca.pem", dovecot.ca_file.read_text())
    dovecot.deliver(user, mail(subject="The printer is on fire"))
    job = named(deployed.manifests, "Job", "mail-automator-prepare")
    for container in containers_of(job):
        deployed.done(job, container)
    with everything(deployed) as services:
        await asyncio.gather(*(_ready(one) for one in services.values()))
        for one in services.values():
            _confined(one)
            assert one.healthy(), one.log()
        services["console"].asked(
            "mail-automator", "apply", "-f", "-", given=MAILBOX.format(user=user, port=dovecot.tls_port)
        )
        ticket = await _ticket(services["console"])
        assert ticket["subject"] == "The printer is on fire"
        ends = await asyncio.gather(*(asyncio.to_thread(one.stopped) for one in services.values()))
        for (name, one), (code, seconds) in zip(services.items(), ends, strict=True):
            assert code == 0, f"{name}: {one.log()[-3000:]}"
            assert seconds < one.grace_seconds, name


@contextmanager
def everything(deployed: Deployed) -> Generator[dict[str, Running]]:
    """Every service, removed at the end; what each wrote is looked at."""
    services: dict[str, Running] = {}
    try:
        for deployment in of_kind(deployed.manifests, "Deployment"):
            services[component(deployment)] = deployed.start(deployment)
        assert set(services) == set(SERVICES)
        yield services
    finally:
        for one in services.values():
            one.log()
            one.engine.tried("rm", "--force", "--time", "0", one.name)


async def _ready(one: Running) -> None:
    """Its /readyz says so within what a startup probe allows."""
    async with httpx.AsyncClient() as client:
        try:
            async with asyncio.timeout(START_SECONDS):
                while True:
                    try:
                        if (await client.get(f"http://127.0.0.1:{one.admin_port}/readyz")).status_code == 200:
                            return
                    except httpx.TransportError:
                        pass
                    await asyncio.sleep(0.5)
        except TimeoutError:
            raise AssertionError(f"{one.name} does not get ready: {one.log()[-3000:]}") from None


def _confined(one: Running) -> None:
    """Nobody's user, no capability and no way to get one, system calls filtered, nothing to write to but /tmp."""
    said = one.asked("python", "-c", CONFINEMENT)
    none = "0" * 16
    assert said.splitlines() == [str([str(USER), none, none, none, none, "1", "2"])]


async def _ticket(console: Running) -> dict[str, str]:
    """The first ticket, by the command line in the console's container."""
    async with asyncio.timeout(MAIL_SECONDS):
        while True:
            said = console.asked("mail-automator", "--output", "json", "tickets", "list")
            if found := json.loads(said):
                return found[0]
            await asyncio.sleep(1)
