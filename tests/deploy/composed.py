"""What deploy/compose.yaml says, read, and ways to look at it."""

import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from tests.deploy.manifests import ROOT, SERVICES

FILE = ROOT / "deploy" / "compose.yaml"
FOLDER = ROOT / "deploy"
PARTS = FOLDER / "compose"
OURS = (*SERVICES, "prepare")
"""Those of our image."""

Service = dict[str, Any]


@cache
def document() -> dict[str, Any]:
    """The whole file, its anchors resolved."""
    return yaml.safe_load(FILE.read_text())


def services() -> dict[str, Service]:
    """By name."""
    return document()["services"]


def secrets_of(service: Service) -> dict[str, str]:
    """The secrets that a service is given: each one's name, and the file that it is in the container."""
    given: list[Any] = service.get("secrets", [])
    short = {one: f"/run/secrets/{one}" for one in given if isinstance(one, str)}
    return short | {one["source"]: one["target"] for one in given if not isinstance(one, str)}


def mounts_of(service: Service) -> Iterator[tuple[str, str, bool]]:
    """Its volumes: what is mounted where, and whether it may only be read."""
    for one in service.get("volumes", []):
        what, where, *rest = one.split(":")
        yield what, where, rest == ["ro"]


def make_secrets(folder: Path) -> None:
    """Run what a person runs before the first start."""
    done = subprocess.run([PARTS / "make-secrets", folder], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
