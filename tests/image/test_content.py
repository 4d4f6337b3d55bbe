"""What is in the image, and what is not."""

import json
import subprocess
import tomllib
from typing import Any

import pytest

from tests.image.engine import BASE, ROOT, Engine

pytestmark = pytest.mark.timeout(2400)

OURS = "/opt/mail-automator"
COMPILERS = ("cc", "gcc", "g++", "clang", "cpp", "ld", "as", "make", "rustc", "cargo", "go")
LIST = "find {} -mindepth 1 -printf '%y %m %U:%G %T@ %l %p\\n'; find {} -type f -exec sha256sum {{}} +"


def files_of(engine: Engine, image: str) -> set[str]:
    """Every file of ours: its kind, rights, owner, time, target and hash."""
    return set(engine.run(image, command=["sh", "-c", LIST.format(OURS, OURS)]).splitlines())


def test_two_builds_give_the_same_bytes(engine: Engine, image: str) -> None:
    """Of the layer that is ours, whatever the cache holds; the base is another's."""
    engine.build("localhost/mail-automator:again", "--no-cache")
    once, again = files_of(engine, image), files_of(engine, "localhost/mail-automator:again")
    assert len(once) > 4000
    assert sorted(once ^ again) == []
    layers = [layers_of(engine, one)[-1] for one in (image, "localhost/mail-automator:again")]
    assert layers[0] == layers[1]


def test_the_base_gets_one_layer_and_no_compiler(
    engine: Engine, image: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nor pip, nor a file that the services' user could change."""
    assert layers_of(engine, image)[:-1] == layers_of(engine, BASE)
    look = "; ".join(f"command -v {one}" for one in (*COMPILERS, "pip", "pip3")) + "; true"
    assert engine.run(image, command=["sh", "-c", look]) == ""
    changeable = f"find {OURS} ! -type l -perm /022; find {OURS} ! -user 0"
    assert engine.run(image, command=["sh", "-c", changeable]) == ""
    with capsys.disabled():
        print(f"\nimage {megabytes(engine, image):.0f} MB, of which the base {megabytes(engine, BASE):.0f} MB")


def test_no_server_that_packages_came_from_is_named_in_it(engine: Engine, image: str) -> None:
    """Neither in its settings and its past, nor in files of the machine."""
    asked = subprocess.run(
        ["apt-get", "indextargets", "--format", "$(SITE)"], capture_output=True, text=True, timeout=60, check=True
    )
    hosts = {site.split("//")[-1].split("/")[0] for site in asked.stdout.split()}
    assert hosts
    past = json.dumps(engine.inspect(image)) + engine.podman("history", "--no-trunc", "--format", "json", image)
    configuration = engine.run(
        image, "--user", "0", command=["sh", "-c", "find /etc -type f -exec cat {} + | tr -d '\\0'"]
    )
    assert len(configuration) > 1000
    assert [host for host in hosts if host in past or host in configuration] == []


def test_it_says_what_it_is_and_runs_as_nobody_in_particular(engine: Engine, image: str) -> None:
    """The version is the package's, and the installed command's."""
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    config: Any = engine.inspect(image)["Config"]
    labels = {name.removeprefix("org.opencontainers.image."): value for name, value in config["Labels"].items()}
    assert (labels["title"], labels["version"]) == ("mail-automator", version)
    assert labels["revision"] != "unknown"
    assert config["User"] == "10001:10001"
    assert set(config["ExposedPorts"]) == {"9000/tcp", "8080/tcp"}
    assert engine.run(image, command=["mail-automator", "version"]).strip() == f"mail-automator {version}"


def layers_of(engine: Engine, image: str) -> list[str]:
    """The hashes of its layers, the base's first."""
    found: Any = engine.inspect(image)
    return found["RootFS"]["Layers"]


def megabytes(engine: Engine, image: str) -> float:
    """Its size unpacked."""
    found: Any = engine.inspect(image)
    return found["Size"] / 1e6
