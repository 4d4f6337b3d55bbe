"""The commands of the manifests, started as a pod would start them: with the variables of their ConfigMaps and the
files of their Secrets, against a real broker and store; asked what the probes ask, and told to stop.
"""

import asyncio
import os
import sys
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import httpx
import pytest

from shared.broker import declaring
from shared.broker.settings import BrokerSettings
from shared.runtime import admin
from shared.store.settings import StoreSettings
from tests.deploy.manifests import (
    OVERLAYS,
    SERVICES,
    Manifest,
    component,
    containers_of,
    environment_of,
    mounted_files,
    named,
    of_kind,
    pod_of,
    rendered,
)
from tests.support.canary import check

BIN = Path(sys.executable).parent
DIFFERENT = {"dev": {"console"}, "production": set(SERVICES)}
"""What is started: of dev only what is told other things than in production."""


class Pods:
    """Starts containers of one overlay over the servers of a test."""

    def __init__(self, overlay: str, store: StoreSettings, broker: BrokerSettings, folder: Path) -> None:
        self.manifests = rendered(overlay)
        self._database = store.database
        self._folder = folder
        assert store.key_file is not None
        self._secrets: Mapping[tuple[str, str], str] = {
            ("mail-automator-store", "url"): store.url.get_secret_value(),
            ("mail-automator-broker", "url"): broker.url.get_secret_value(),
            ("mail-automator-key", "current"): store.key_file.read_text(),
        }

    def mounted(self, workload: Manifest) -> Path:
        """The folder of secrets of a pod; what may be absent is."""
        folder = self._folder / workload["metadata"]["name"]
        folder.mkdir(exist_ok=True)
        for name, secret, key, optional in mounted_files(workload):
            if not optional:
                (folder / name).write_text(self._secrets[secret, key])
        return folder

    def environment(self, workload: Manifest, container: Manifest, **ports: str) -> dict[str, str]:
        """As the manifest says, but for addresses of this machine: its ports are not a pod's."""
        environ = environment_of(container, self.manifests)
        hosts = {name: "127.0.0.1" for name in environ if name.endswith("_HOST")}
        own = {
            "MAIL_AUTOMATOR_STORE_DATABASE": self._database,
            "MAIL_AUTOMATOR_SECRETS_DIR": str(self.mounted(workload)),
        }
        return {"PATH": f"{BIN}:{os.defpath}", "HOME": "/", **environ, **hosts, **own, **ports}

    async def start(self, workload: Manifest, container: Manifest, **ports: str) -> asyncio.subprocess.Process:
        """The process of a container."""
        env = self.environment(workload, container, **ports)
        pipe, out = asyncio.subprocess.PIPE, asyncio.subprocess.STDOUT
        program, *arguments = container["command"]
        return await asyncio.create_subprocess_exec(BIN / program, *arguments, env=env, stdout=pipe, stderr=out)


@pytest.mark.servers
@pytest.mark.timeout(300)
@pytest.mark.parametrize("overlay", OVERLAYS)
async def test_the_job_makes_ready_and_every_service_starts_answers_its_probes_and_stops_in_its_time(
    overlay: str, store_settings: StoreSettings, broker_settings: BrokerSettings, tmp_path: Path
) -> None:
    """Production only looks for the topology: its operator has made it."""
    if overlay == "production":
        await declaring.apply(broker_settings)
    pods = Pods(overlay, store_settings, broker_settings, tmp_path)
    job = named(pods.manifests, "Job", "mail-automator-prepare")
    for container in containers_of(job):
        done = await pods.start(job, container)
        said, _ = await done.communicate()
        check(said, "the output of a command")
        assert done.returncode == 0, said.decode()
    async with AsyncExitStack() as stack:
        for deployment in of_kind(pods.manifests, "Deployment"):
            if component(deployment) not in DIFFERENT[overlay]:
                continue
            await stack.enter_async_context(running(pods, deployment))


@asynccontextmanager
async def running(pods: Pods, deployment: Manifest) -> AsyncIterator[None]:
    """Started and ready inside; stopped in order, and in time, behind."""
    (container,) = containers_of(deployment)
    ports = {one["name"]: _free_port() for one in container["ports"]}
    given = {"MAIL_AUTOMATOR_ADMIN_PORT": str(ports["admin"])}
    if "http" in ports:
        given["MAIL_AUTOMATOR_CONSOLE_PORT"] = str(ports["http"])
    process = await pods.start(deployment, container, **given)
    said = asyncio.create_task(process.communicate())
    try:
        for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
            await _answers(process, ports, container[probe]["httpGet"])
        await _answers(process, ports, {"port": "admin", "path": "/metrics"})
        yield
    finally:
        began = time.monotonic()
        if process.returncode is None:
            process.terminate()
        output, _ = await said
    check(output, "the output of a service")
    assert process.returncode == 0, f"{component(deployment)}: {output.decode()[-2000:]}"
    assert time.monotonic() - began < pod_of(deployment)["terminationGracePeriodSeconds"]


async def _answers(process: asyncio.subprocess.Process, ports: Mapping[str, int], probe: Mapping[str, str]) -> None:
    """Waits for a 200, as long as a startup probe may."""
    url = f"http://127.0.0.1:{ports[probe['port']]}{probe['path']}"
    async with asyncio.timeout(120), httpx.AsyncClient() as client:
        while process.returncode is None:
            try:
                if (await client.get(url)).status_code == 200:
                    return
            except httpx.TransportError:
                pass
            await asyncio.sleep(0.2)


def _free_port() -> int:
    with admin.bind("127.0.0.1", 0) as taken:
        return taken.getsockname()[1]
