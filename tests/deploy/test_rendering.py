"""deploy/kubernetes renders with plain kubectl, and what comes out is of Kubernetes' own schemas."""

import shutil
from pathlib import Path

import kubernetes_validate
import pytest
import yaml

from shared.runtime.settings import TracingSettings
from tests.deploy.manifests import OVERLAYS, TREE, Manifest, of_kind, rendered, text_of, title

OLDEST, NEWEST = "1.30", "1.37"
"""The oldest Kubernetes that works (`preStop.sleep`), and the newest that there are schemas of."""
CUSTOM = ("keda.sh", "monitoring.coreos.com", "rabbitmq.com")


@pytest.mark.parametrize("version", [OLDEST, NEWEST])
@pytest.mark.parametrize("overlay", OVERLAYS)
def test_each_object_is_of_the_schema_of_its_kind(overlay: str, version: str) -> None:
    """Strictly: an unknown field is a fault."""
    builtin = [one for one in rendered(overlay) if not one["apiVersion"].startswith(CUSTOM)]
    assert [found for one in builtin if (found := fault(one, version))] == []


def fault(manifest: Manifest, version: str) -> str:
    """What the schemas of that Kubernetes say of an object; nothing if it is as it should be."""
    try:
        kubernetes_validate.validate(manifest, version, strict=True)
    except kubernetes_validate.ValidationError as error:
        return f"{title(manifest)}: {error.message}"
    return ""


def test_a_misspelt_field_would_be_seen() -> None:
    """Otherwise the test above would prove nothing."""
    deployment = yaml.safe_load(yaml.safe_dump(of_kind(rendered("dev"), "Deployment")[0]))
    deployment["spec"]["template"]["spec"]["containers"][0]["readynessProbe"] = {}
    assert "readynessProbe" in fault(deployment, NEWEST)


@pytest.mark.parametrize("name", sorted(one.name for one in (TREE / "components").iterdir()))
def test_each_component_renders_alone_over_the_base(name: str, tmp_path: Path) -> None:
    """Whoever lacks an operator takes out its line."""
    shutil.copytree(TREE.parent, tmp_path / "deploy")
    alone = tmp_path / "deploy" / "kubernetes" / "overlays" / "alone"
    alone.mkdir()
    document = {"resources": ["../../base"], "components": [f"../../components/{name}"]}
    (alone / "kustomization.yaml").write_text(yaml.safe_dump(document))
    made, base = ([*yaml.safe_load_all(text_of(one))] for one in (alone, TREE / "base"))
    assert len(made) >= len(base)
    assert made != base


def test_the_component_for_traces_says_what_is_a_setting() -> None:
    file = yaml.safe_load((TREE / "components" / "tracing" / "kustomization.yaml").read_text())
    (settings,) = file["configMapGenerator"]
    names = {literal.partition("=")[0].removeprefix("MAIL_AUTOMATOR_TRACING_") for literal in settings["literals"]}
    assert names <= {name.upper() for name in TracingSettings.model_fields}
    assert "ENDPOINT" in names


def test_a_changed_setting_gives_its_config_map_another_name_and_rolls_out_who_reads_it(tmp_path: Path) -> None:
    """Nobody restarts pods by hand."""
    shutil.copytree(TREE.parent, tmp_path / "deploy")
    file = tmp_path / "deploy" / "kubernetes" / "overlays" / "dev" / "kustomization.yaml"
    file.write_text(file.read_text().replace("http://localhost:8080", "http://localhost:8081"))
    before = {title(one): one for one in rendered("dev")}
    after = {title(one): one for one in yaml.safe_load_all(text_of(file.parent))}
    changed = {name for name, one in before.items() if after.get(name) != one}
    (config_map,) = changed - {"Deployment/mail-automator-console"}
    assert config_map.startswith("ConfigMap/mail-automator-console-")
    assert config_map not in after


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_no_object_of_an_overlay_is_a_secret_and_all_are_in_its_namespace(overlay: str) -> None:
    """Secrets are made by whoever installs; they are only referred to."""
    manifests = rendered(overlay)
    (namespace,) = of_kind(manifests, "Namespace")
    assert of_kind(manifests, "Secret") == []
    others = [one for one in manifests if one is not namespace]
    assert {one["metadata"]["namespace"] for one in others} == {namespace["metadata"]["name"]}
