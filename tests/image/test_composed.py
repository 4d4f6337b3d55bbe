"""The services of deploy/compose.yaml, brought up by podman-compose: their rights, secrets, variables and order as the
file says. What has no image here (broker, store, Prometheus, Grafana) runs on this machine or not at all.
"""

import asyncio
import json
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from services.all_in_one.process import LOOPBACK, free_ports
from shared.broker.settings import BrokerSettings
from shared.runtime.settings import PREFIX
from shared.store.settings import StoreSettings
from tests.deploy.composed import FILE, OURS, document, make_secrets
from tests.deploy.manifests import SERVICES
from tests.image.engine import Engine
from tests.support.canary import check

pytestmark = pytest.mark.timeout(2400)

COMPOSE = Path(sys.executable).with_name("podman-compose")
LIMITS = {"nofile": 4096, "nproc": 4096}


def adapted(image: str, database: str) -> dict[str, Any]:
    """The file, without what others have made, in the network of this machine."""
    whole: dict[str, Any] = json.loads(json.dumps(document()))
    ports = iter(free_ports(2 * len(OURS)))
    services = {name: one for name, one in whole["services"].items() if name in OURS}
    for name, one in services.items():
        for key in ("networks", "ports"):
            one.pop(key, None)
        one["depends_on"] = {} if name == "prepare" else {"prepare": one["depends_on"]["prepare"]}
        one |= {"image": image, "network_mode": "host", "ulimits": LIMITS}
        one["environment"] |= {
            f"{PREFIX}STORE_DATABASE": database,
            f"{PREFIX}ADMIN_HOST": LOOPBACK,
            f"{PREFIX}ADMIN_PORT": str(next(ports)),
        }
        if name == "console":
            one["environment"] |= {f"{PREFIX}CONSOLE_HOST": LOOPBACK, f"{PREFIX}CONSOLE_PORT": str(next(ports))}
    used = {secret: one for secret, one in whole["secrets"].items() if secret.startswith(PREFIX)}
    return {"name": f"checked-{database[-6:]}", "services": services, "secrets": used}


@dataclass(frozen=True)
class Composed:
    """podman-compose on one file."""

    engine: Engine
    file: Path

    def __call__(self, *arguments: str) -> None:
        """Run a command. Fails with what it says."""
        way = ["--podman-run-args", " ".join(self.engine.way)] if self.engine.way else []
        done = subprocess.run(
            [COMPOSE, "--in-pod", "false", *way, "-f", self.file, *arguments],
            env=self.engine.environment,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=900,
            check=False,
        )
        check(done.stdout + done.stderr, "the output of podman-compose")
        assert done.returncode == 0, done.stderr[-3000:] + done.stdout[-3000:]


def test_podman_compose_reads_the_whole_file(engine: Engine) -> None:
    """The profile of the demo with it."""
    command = [COMPOSE, "-f", FILE, "--profile", "demo", "config"]
    done = subprocess.run(command, env=engine.environment, capture_output=True, text=True, timeout=120, check=True)
    assert set(yaml.safe_load(done.stdout)["services"]) == set(document()["services"])


@contextmanager
def brought_up(engine: Engine, file: Path) -> Generator[Composed]:
    """`up`, and `down` at the end."""
    compose = Composed(engine, file)
    try:
        compose("up", "--detach")
        yield compose
    finally:
        compose("down", "--timeout", "45", "--volumes")


async def test_the_services_come_up_on_what_was_made_get_ready_and_end_in_order(
    engine: Engine, image: str, store_settings: StoreSettings, broker_settings: BrokerSettings, tmp_path: Path
) -> None:
    """The secrets are those of make-secrets, but for where broker and store are."""
    make_secrets(tmp_path / "secrets")
    for name, url in (("STORE_URL", store_settings.url), ("BROKER_URL", broker_settings.url)):
        file = tmp_path / "secrets" / f"{PREFIX}{name}"
        file.chmod(0o644)
        file.write_text(url.get_secret_value())
    content = adapted(image, store_settings.database)
    (tmp_path / "compose.yaml").write_text(yaml.safe_dump(content))
    with brought_up(engine, tmp_path / "compose.yaml") as compose:
        await asyncio.gather(
            *(_ready(content["services"][name]["environment"][f"{PREFIX}ADMIN_PORT"]) for name in SERVICES)
        )
        names = {one: f"{content['name']}_{one}_1" for one in OURS}
        # podman starts a container's dependencies with it, so the preparation may be at work a second time.
        assert engine.podman("wait", names["prepare"]).strip() == "0"
        compose("stop")
        for name in names.values():
            (found,) = json.loads(engine.podman("inspect", name))
            assert found["HostConfig"]["ReadonlyRootfs"] is True
            assert not found["EffectiveCaps"]
            assert found["Config"]["User"] == "10001:10001"
            assert (found["State"]["Status"], found["State"]["ExitCode"]) == ("exited", 0), engine.tried("logs", name)


async def _ready(port: str) -> None:
    async with asyncio.timeout(300), httpx.AsyncClient() as client:
        while True:
            try:
                if (await client.get(f"http://{LOOPBACK}:{port}/readyz")).status_code == 200:
                    return
            except httpx.TransportError:
                pass
            await asyncio.sleep(0.5)
