"""KEDA's and the Prometheus Operator's resources, held against the types and schemas that @kubernetes-models publishes.

Node comes with `pyright[nodejs]`; the models are installed in `models`, from package-lock.json, on first use. The types
find unknown fields, the schemas wrong values. There are none of RabbitMQ's: test_rabbitmq_resources.py makes a broker.
"""

import json
import subprocess
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from tests.deploy.manifests import Manifest, rendered, title
from tests.support.npm import PROGRAM, installed

HERE = Path(__file__).parent / "models"
TYPESCRIPT = str(HERE / "node_modules" / "typescript" / "bin" / "tsc")
PACKAGES = {
    "keda.sh/v1alpha1": "@kubernetes-models/keda/keda.sh/v1alpha1",
    "monitoring.coreos.com/v1": "@kubernetes-models/prometheus-operator/monitoring.coreos.com/v1",
}


@pytest.fixture(scope="module", autouse=True)
def models() -> None:
    """Installed as the lock file says. Skipped, with npm's own reason, where no registry can be reached."""
    installed(HERE, "the models")


def custom() -> list[Manifest]:
    """Everything that is of one of those operators."""
    return [one for one in rendered("production") if one["apiVersion"] in PACKAGES]


def wrong_values(manifests: list[Manifest]) -> list[str]:
    """What the schemas say of each; nothing of one that is as it should be."""
    command = [PROGRAM, str(HERE / "check.mjs")]
    given = json.dumps(manifests)
    done = subprocess.run(command, cwd=HERE, input=given, capture_output=True, text=True, timeout=60, check=True)
    return json.loads(done.stdout)


def wrong_types(manifests: list[Manifest], folder: Path) -> str:
    """What the TypeScript compiler says of them, written as values of their types."""
    kinds = {one["kind"]: one["apiVersion"] for one in manifests}
    lines = [f'import type {{ I{kind} }} from "{PACKAGES[api]}/{kind}";' for kind, api in kinds.items()]
    lines += [
        f"export const object{at}: I{one['kind']} = {json.dumps(one)}; // {title(one)}"
        for at, one in enumerate(manifests)
    ]
    (folder / "objects.ts").write_text("\n".join(lines))
    (folder / "package.json").write_text('{"type": "module"}')
    if not (folder / "node_modules").exists():
        (folder / "node_modules").symlink_to(HERE / "node_modules")
    options = ["--noEmit", "--strict", "--skipLibCheck", "--module", "nodenext", "--target", "es2022"]
    command = [PROGRAM, TYPESCRIPT, *options, "objects.ts"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=100, check=False)
    assert (done.returncode == 0) == (done.stdout == ""), done.stderr
    return done.stdout


def test_every_resource_is_of_its_operators_schema(tmp_path: Path) -> None:
    """Values and fields."""
    manifests = custom()
    kinds = {"ScaledObject", "TriggerAuthentication", "PodMonitor", "PrometheusRule", "ServiceMonitor"}
    assert {one["kind"] for one in manifests} == kinds
    assert [found for found in wrong_values(manifests) if found] == []
    assert wrong_types(manifests, tmp_path) == ""


def test_a_wrong_value_or_a_misspelt_field_would_be_seen(tmp_path: Path) -> None:
    """Otherwise the test above would prove nothing."""
    manifests: list[Any] = deepcopy(custom())
    scaled = next(one for one in manifests if one["kind"] == "ScaledObject")
    monitor = next(one for one in manifests if one["kind"] == "PodMonitor")
    scaled["spec"]["minReplicaCount"] = "one"
    monitor["spec"]["podMetricsEndpoints"][0]["prot"] = "admin"
    assert [title(one) for one, found in zip(manifests, wrong_values(manifests), strict=True) if found] == [
        title(scaled)
    ]
    found = wrong_types([monitor], tmp_path)
    assert "prot" in found and "does not exist in type" in found


def test_the_lock_file_has_hashes_and_no_addresses() -> None:
    """As those of Python: where from is the machine's business."""
    text = (HERE / "package-lock.json").read_text()
    packages = json.loads(text)["packages"]
    assert all("integrity" in one for name, one in packages.items() if name)
    assert "://" not in text
