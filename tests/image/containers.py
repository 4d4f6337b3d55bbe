"""Containers of the image, started as the Kubernetes manifests say: command, variables, files of Secrets."""

import json
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from shared.broker.settings import BrokerSettings
from shared.runtime import admin
from shared.runtime.settings import PREFIX
from shared.store.settings import StoreSettings
from tests.deploy.manifests import Manifest, containers_of, environment_of, mounted_files, pod_of, rendered
from tests.image.engine import CONFINED, LIMITS, Engine
from tests.support.canary import check

USER = 10001
LOOPBACK = "127.0.0.1"


@dataclass(frozen=True)
class Running:
    """A container of a service. Its ports are of this machine: it shares the network."""

    engine: Engine
    name: str
    admin_port: int
    grace_seconds: float

    def asked(self, *command: str, given: str | None = None) -> str:
        """Run a command in it, as `kubectl exec` does."""
        said = self.engine.podman("exec", *(["--interactive"] if given else []), self.name, *command, given=given)
        check(said, "the output of a command")
        return said

    def healthy(self) -> bool:
        """What its HEALTHCHECK says now."""
        return self.engine.tried("healthcheck", "run", self.name).returncode == 0

    def log(self) -> str:
        """All it has written."""
        done = self.engine.tried("logs", self.name)
        check(done.stdout + done.stderr, "the stream of a service")
        return done.stdout + done.stderr

    def stopped(self) -> tuple[int, float]:
        """SIGTERM, and the end: its exit code, and after how many seconds."""
        began = time.monotonic()
        self.engine.podman("kill", "--signal", "TERM", self.name)
        code = self.engine.podman("wait", self.name, seconds=self.grace_seconds + 30)
        return int(code), time.monotonic() - began


class Deployed:
    """Starts the containers of the overlay `dev` over the servers of a test."""

    def __init__(self, engine: Engine, image: str, folder: Path, store: StoreSettings, broker: BrokerSettings) -> None:
        self.manifests = rendered("dev")
        self._engine, self._image, self._folder = engine, image, folder
        self._database = store.database
        self.mailboxes = folder / "mailboxes"
        self.mailboxes.mkdir()
        assert store.key_file is not None
        self._secrets: Mapping[tuple[str, str], str] = {
            ("mail-automator-store", "url"): store.url.get_secret_value(),
            ("mail-automator-broker", "url"): broker.url.get_secret_value(),
            ("mail-automator-key", "current"): store.key_file.read_text(),
        }

    def done(self, workload: Manifest, container: Manifest) -> str:
        """Run one of the job's containers to its end."""
        said = self._engine.podman(*self._command(workload, container, {}, "run", "--rm"))
        check(said, "the output of a command")
        return said

    def start(self, workload: Manifest) -> Running:
        """Start a service."""
        (container,) = containers_of(workload)
        ports = {f"{PREFIX}ADMIN_PORT": _free_port()}
        if len(container["ports"]) > 1:
            ports[f"{PREFIX}CONSOLE_PORT"] = _free_port()
        name = f"{container['name']}-{uuid4().hex[:8]}"
        given = {key: str(port) for key, port in ports.items()}
        self._engine.podman(*self._command(workload, container, given, "run", "--detach", "--name", name))
        grace = pod_of(workload)["terminationGracePeriodSeconds"]
        return Running(self._engine, name, ports[f"{PREFIX}ADMIN_PORT"], grace)

    def _command(self, workload: Manifest, container: Manifest, given: Mapping[str, str], *run: str) -> Sequence[str]:
        environ = environment_of(container, self.manifests)
        hosts = {name: LOOPBACK for name in environ if name.endswith("_HOST")}
        environ |= {**hosts, f"{PREFIX}STORE_DATABASE": self._database, **given}
        variables = [word for name, value in environ.items() for word in ("--env", f"{name}={value}")]
        entry = ("--entrypoint", json.dumps(container["command"]))
        place = ("--network", "host", *self._engine.way, *LIMITS, *CONFINED)
        return (*run, *place, *variables, *self._mounts(workload, container), *entry, self._image)

    def _mounts(self, workload: Manifest, container: Manifest) -> list[str]:
        folders = {"secrets": self._mounted(workload), "mailboxes": self.mailboxes}
        mounts = [one for one in container["volumeMounts"] if one["name"] in folders]
        return [word for one in mounts for word in ("--volume", f"{folders[one['name']]}:{one['mountPath']}:ro")]

    def _mounted(self, workload: Manifest) -> Path:
        folder = self._folder / workload["metadata"]["name"]
        folder.mkdir(exist_ok=True)
        for name, secret, key, optional in mounted_files(workload):
            if not optional:
                lay(folder / name, self._secrets[secret, key])
        os.chown(folder, USER, USER)
        return folder


def lay(file: Path, content: str) -> None:
    """A file as a Secret's is: read by the services' group, and by nobody else."""
    file.write_text(content)
    file.chmod(0o440)
    os.chown(file, 0, USER)


def _free_port() -> int:
    with admin.bind(LOOPBACK, 0) as taken:
        return taken.getsockname()[1]
