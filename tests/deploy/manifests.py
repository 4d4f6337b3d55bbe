"""What `kubectl kustomize` makes of deploy/kubernetes, and ways to look at it. kubectl comes from the lock file."""

import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from copy import deepcopy
from functools import cache
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
TREE = ROOT / "deploy" / "kubernetes"
KUBECTL = Path(sys.executable).with_name("kubectl")
OVERLAYS = ("dev", "production")
SERVICES = {
    "fetcher": "fetcher",
    "filter": "filter",
    "classifier": "classifier",
    "ticket-writer": "ticket_writer",
    "notifier": "notifier",
    "bookkeeper": "bookkeeper",
    "console": "console",
}
"""The component label of each service, and its folder."""
COMPONENT = "app.kubernetes.io/component"

Manifest = dict[str, Any]


@cache
def text_of(folder: Path) -> str:
    """A folder rendered, as YAML."""
    command = [str(KUBECTL), "kustomize", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stderr == "", "no warning, such as of a deprecated field"
    return done.stdout


def rendered(overlay: str) -> list[Manifest]:
    """The objects of an overlay; the caller may change them."""
    return deepcopy(_objects(overlay))


@cache
def _objects(overlay: str) -> list[Manifest]:
    return list(yaml.safe_load_all(text_of(TREE / "overlays" / overlay)))


def of_kind(manifests: Iterable[Manifest], *kinds: str) -> list[Manifest]:
    """Those of some kinds."""
    return [one for one in manifests if one["kind"] in kinds]


def named(manifests: Iterable[Manifest], kind: str, name: str) -> Manifest:
    """The one of that kind and name."""
    (found,) = [one for one in of_kind(manifests, kind) if one["metadata"]["name"] == name]
    return found


def title(manifest: Manifest) -> str:
    """Kind and name."""
    return f"{manifest['kind']}/{manifest['metadata']['name']}"


def component(manifest: Manifest) -> str:
    """The service that an object belongs to, by its label."""
    return manifest["metadata"]["labels"][COMPONENT]


def pod_of(workload: Manifest) -> Manifest:
    """The pod's spec of a Deployment or Job."""
    return workload["spec"]["template"]["spec"]


def containers_of(workload: Manifest) -> list[Manifest]:
    """All its containers, in the order they run."""
    pod = pod_of(workload)
    return [*pod.get("initContainers", []), *pod["containers"]]


def environment_of(container: Manifest, manifests: Iterable[Manifest]) -> dict[str, str]:
    """The variables that a container is given. What the pod itself fills in is its field's path."""
    environ: dict[str, str] = {}
    for source in container.get("envFrom", []):
        environ |= named(manifests, "ConfigMap", source["configMapRef"]["name"]).get("data", {})
    for one in container.get("env", []):
        environ[one["name"]] = one.get("value") or one["valueFrom"]["fieldRef"]["fieldPath"]
    return environ


def mounted_files(workload: Manifest) -> Iterator[tuple[str, str, str, bool]]:
    """Each file of a Secret in the folder of secrets: its name, its Secret, its key there, whether it may be absent."""
    for volume in pod_of(workload)["volumes"]:
        for source in volume.get("projected", {}).get("sources", []):
            secret: Mapping[str, Any] = source["secret"]
            for item in secret["items"]:
                yield item["path"], secret["name"], item["key"], secret.get("optional", False)
