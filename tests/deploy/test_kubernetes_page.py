"""docs/kubernetes.md tells the manifests as they are."""

import re
import shutil
from pathlib import Path

import pytest
import yaml

from tests.deploy.manifests import (
    COMPONENT,
    ROOT,
    SERVICES,
    TREE,
    Manifest,
    component,
    containers_of,
    mounted_files,
    of_kind,
    pod_of,
    rendered,
    text_of,
)
from tests.deploy.test_rendering import NEWEST, fault

PAGE = (ROOT / "docs" / "kubernetes.md").read_text()


def secrets() -> set[str]:
    """Every Secret that production refers to."""
    manifests = rendered("production")
    found: set[str] = set()
    for workload in of_kind(manifests, "Deployment", "Job"):
        found |= {secret for _, secret, _, _ in mounted_files(workload)}
        found |= {one["secret"]["secretName"] for one in pod_of(workload)["volumes"] if "secret" in one}
    for one in of_kind(manifests, "TriggerAuthentication"):
        found |= {reference["name"] for reference in one["spec"]["secretTargetRef"]}
    found |= {one["spec"]["importCredentialsSecret"]["name"] for one in of_kind(manifests, "User")}
    found |= {one["secretName"] for ingress in of_kind(manifests, "Ingress") for one in ingress["spec"]["tls"]}
    return found


def test_the_page_makes_every_secret_that_is_referred_to_and_no_other() -> None:
    """With the keys that are mounted."""
    lines = re.findall(r"kubectl create secret (?:generic|tls) (\S+) (.*)", PAGE)
    assert {name for name, _ in lines} == secrets()
    keys = {name: re.findall(r"--from-file=(\w+)", given) for name, given in lines}
    for workload in of_kind(rendered("production"), "Deployment", "Job"):
        for _, secret, key, optional in mounted_files(workload):
            assert optional or key in keys[secret]


@pytest.mark.parametrize("service", SERVICES)
def test_the_table_of_scaling_has_the_figures_of_the_manifests(service: str) -> None:
    """In its row."""
    manifests = rendered("production")
    (deployment,) = [one for one in of_kind(manifests, "Deployment") if component(one) == service]
    resources = containers_of(deployment)[0]["resources"]
    asked, most = resources["requests"], resources["limits"]["memory"]
    scaled = [one["spec"] for one in of_kind(manifests, "ScaledObject") if component(one) == service]
    row = next(line for line in PAGE.splitlines() if line.startswith(f"| {service} |"))
    assert row.startswith(f"| {service} | {_many(deployment, scaled)} | {'KEDA' if scaled else 'hand'}")
    assert row.endswith(f"| {asked['cpu']} | {asked['memory']} | {most} |")
    for spec in scaled:
        metadata = spec["triggers"][0]["metadata"]
        assert f"`{metadata['queueName']}`, {metadata['value']} messages each" in row


def _many(deployment: Manifest, scaled: list[Manifest]) -> str:
    if not scaled:
        return str(deployment["spec"]["replicas"])
    return f"{scaled[0]['minReplicaCount']} to {scaled[0]['maxReplicaCount']}"


def test_what_is_applied_first_is_what_the_job_needs() -> None:
    """The labels in the page are the manifests' (test_workloads.py proves that they are enough)."""
    (given,) = re.findall(r"app\.kubernetes\.io/component in \(([^)]*)\)", PAGE)
    first = {name.strip() for name in given.split(",")}
    assert first == {"settings", "topology", "prepare"}
    assert first <= {one["metadata"]["labels"].get(COMPONENT) for one in rendered("production")}


def test_the_examples_of_the_page_work(tmp_path: Path) -> None:
    """A person copies them: another cluster of RabbitMQ, a mail server and a collector of one's own."""
    patch, *policies = (yaml.safe_load(block) for block in re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL))
    assert [fault(one, NEWEST) for one in policies] == ["", ""]
    shutil.copytree(TREE.parent, tmp_path / "deploy")
    overlay = tmp_path / "deploy" / "kubernetes" / "overlays" / "production" / "kustomization.yaml"
    overlay.write_text(overlay.read_text() + yaml.safe_dump(patch))
    made = [one for one in yaml.safe_load_all(text_of(overlay.parent)) if one["apiVersion"].startswith("rabbitmq.com")]
    clusters = [one["spec"]["rabbitmqClusterReference"] for one in made]
    assert len(clusters) > 10
    assert all(one == {"name": "shared", "namespace": "rabbitmq-system"} for one in clusters)
