"""Debian packages that the laptop mode needs: found, or installed when that is allowed, and always said.

Must never install anything when not root or not allowed, and never start or stop what a package brings along.
"""

import os
import shutil
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

from shared.domain.errors import ConfigurationError

Say = Callable[[str], None]


def ensure_package(program: Path, packages: Sequence[str], *, allow_install: bool, say: Say) -> None:
    """Make sure `program` is there, by apt-get if need be and allowed (as root). Blocks, minutes at worst.

    Raises ConfigurationError, with the command to type, where it is not there and may not be installed.
    """
    if program.exists():
        return
    command = f"apt-get install {' '.join(packages)}"
    missing = f"{program} is not installed"
    if not allow_install:
        raise ConfigurationError(missing, where="MAIL_AUTOMATOR_ALLOW_INSTALL=false", remedy=command)
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        raise ConfigurationError(missing, where="only root installs packages by itself", remedy=f"sudo {command}")
    say(f"{program.name} is missing: installing Debian's {', '.join(packages)} (this happens once)")
    _install(packages)
    if not program.exists():
        raise ConfigurationError(f"{missing}, though apt-get succeeded", remedy=f"look at: dpkg -L {packages[0]}")


def _install(packages: Sequence[str]) -> None:
    """apt-get update and install. Service start-up by the packages is refused: our nodes are private ones."""
    policy = Path("/usr/sbin/policy-rc.d")
    own_policy = not policy.exists()
    if own_policy:
        policy.write_text("#!/bin/sh\nexit 101\n")
        policy.chmod(0o755)
    try:
        _apt("update", "-q")
        _apt("install", "-y", "-q", "--no-install-recommends", *packages)
    finally:
        if own_policy:
            policy.unlink(missing_ok=True)


def _apt(*arguments: str) -> None:
    environment = {**_PATH, "DEBIAN_FRONTEND": "noninteractive", **_proxies()}
    done = subprocess.run(  # noqa: S603 - fixed program and arguments
        ["/usr/bin/apt-get", *arguments], env=environment, capture_output=True, timeout=600, check=False
    )
    if done.returncode != 0:
        last = done.stderr.decode(errors="replace").strip().splitlines()[-1:] or ["no reason given"]
        raise ConfigurationError(
            f"apt-get {arguments[0]} failed: {last[0]}", remedy=f"run it by hand: apt-get {' '.join(arguments)}"
        )


_PATH = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}


def _proxies() -> dict[str, str]:
    """The proxy settings of the caller: apt-get on a machine behind a proxy needs them."""
    names = ("http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY")
    return {name: os.environ[name] for name in names if name in os.environ}  # noqa: TID251 - passed on, not read
