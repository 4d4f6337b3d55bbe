"""podman with a storage of its own, run in the first of several ways that works on this machine.

Must never touch the containers and images that podman keeps for others here.
"""

import json
import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from functools import cache, cached_property
from pathlib import Path

ROOT = Path(__file__).parents[2]
FOLDER = "MAIL_AUTOMATOR_TEST_IMAGES"
"""The variable that names the folder of the storage; `make image-check` sets it."""
BASE = "localhost/mail-automator-base:debian-12"

WAYS: Mapping[str, Sequence[str]] = {
    "as podman does": (),
    "runc": ("--runtime", "runc"),
    "without cgroups": ("--cgroups", "disabled"),
}
"""crun refuses a machine with both kinds of cgroups, runc one without; a container within a container may make none."""

LIMITS = ("--ulimit", "nofile=4096:4096", "--ulimit", "nproc=4096:4096")
"""podman's own are the highest there are, which a machine may not be allowed to set."""

CONFINED = (
    *("--read-only", "--read-only-tmpfs=false", "--tmpfs", "/tmp:size=64m,mode=1777"),
    *("--cap-drop", "ALL", "--security-opt", "no-new-privileges", "--user", "10001:10001"),
)
"""What the manifests' security contexts say, in podman's words."""


class Failed(AssertionError):
    """A command of podman ended with an error."""


class Engine:
    """podman over a storage in `folder`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder.resolve()
        self._folder.mkdir(parents=True, exist_ok=True)
        (self._folder / "storage.conf").write_text(_STORAGE.format(folder=self._folder))
        (self._folder / "containers.conf").write_text(_CONTAINERS)

    @property
    def environment(self) -> dict[str, str]:
        """For podman and buildah: the machine's, and where the storage is."""
        own = {
            "CONTAINERS_STORAGE_CONF": str(self._folder / "storage.conf"),
            "CONTAINERS_CONF": str(self._folder / "containers.conf"),
        }
        return {**os.environ, **own}

    def podman(self, *arguments: str, given: str | None = None, seconds: float = 120) -> str:
        """What a command prints. Raises Failed with its errors."""
        done = self.tried(*arguments, given=given, seconds=seconds)
        if done.returncode != 0:
            raise Failed(f"podman {arguments[0]}: {done.stderr[-3000:]}{done.stdout[-3000:]}")
        return done.stdout

    def tried(
        self, *arguments: str, given: str | None = None, seconds: float = 120
    ) -> subprocess.CompletedProcess[str]:
        """The same, whatever its end."""
        return subprocess.run(
            ["podman", *arguments],
            env=self.environment,
            input=given,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=seconds,
            check=False,
        )

    def build(self, name: str, *options: str) -> None:
        """What a person does: deploy/build-image, which makes the base if there is none."""
        command = [ROOT / "deploy" / "build-image", name, *options]
        done = subprocess.run(command, env=self.environment, capture_output=True, text=True, timeout=1500, check=False)
        assert done.returncode == 0, done.stderr[-5000:] + done.stdout[-5000:]

    def inspect(self, image: str) -> dict[str, object]:
        """What is known of an image."""
        (found,) = json.loads(self.podman("image", "inspect", image))
        return found

    @cached_property
    def way(self) -> Sequence[str]:
        """Options with which containers run here. Raises Failed with every reason if there are none."""
        reasons: list[str] = []
        for name, options in WAYS.items():
            tried = self.tried("run", "--rm", "--network", "host", *options, *LIMITS, *CONFINED, BASE, "true")
            if tried.returncode == 0:
                return options
            reasons.append(f"{name}: {tried.stderr.strip()}")
        raise Failed("; ".join(reasons))

    def run(self, image: str, *options: str, command: Sequence[str]) -> str:
        """Run a container to its end, confined as a service is. Returns what it printed."""
        place = ("--rm", "--network", "host", *self.way, *LIMITS, *CONFINED, *options)
        return self.podman("run", *place, "--entrypoint", json.dumps(list(command)), image)


@cache
def reason_not_to_run() -> str | None:
    """Why no container can run here; None if one can be tried."""
    if FOLDER not in os.environ:
        return "the image is built and run by: make image-check"
    if os.geteuid() != 0:
        return "building a base of Debian's packages needs root"
    missing = [one for one in ("podman", "buildah", "debootstrap") if shutil.which(one) is None]
    return f"not installed: {', '.join(missing)}" if missing else None


_STORAGE = """\
[storage]
driver = "vfs"
graphroot = "{folder}/storage"
runroot = "{folder}/run"
"""

_CONTAINERS = """\
[containers]
netns = "host"
log_driver = "k8s-file"
[engine]
cgroup_manager = "cgroupfs"
events_logger = "file"
"""
