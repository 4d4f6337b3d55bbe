"""checkov over what is rendered: no failed check without its reason in deploy/kubernetes/checkov.yaml.

checkov stands in an environment of its own (`make check` and `make test` make it): it brings a hundred packages, and
pins some that the project has in other versions.
"""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.deploy.manifests import OVERLAYS, TREE, containers_of, of_kind, rendered

CHECKOV = Path(sys.prefix) / "checkov" / "bin" / "checkov"
OPTIONS = ("--framework", "kubernetes", "--skip-download", "--compact", "--quiet", "--output", "json")

pytestmark = pytest.mark.skipif(not CHECKOV.exists(), reason="checkov is not installed: make check")


def failed(text: str, folder: Path) -> set[str]:
    """The ids of the checks that these manifests fail."""
    file = folder / "manifests.yaml"
    file.write_text(text)
    command = [str(CHECKOV), "--file", str(file), *OPTIONS]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=100, check=False)
    found = json.loads(done.stdout)
    assert found["summary"]["parsing_errors"] == 0
    assert found["summary"]["passed"] > 100, done.stderr
    return {one["check_id"] for one in found["results"]["failed_checks"]}


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_every_failed_check_has_its_reason_and_every_reason_its_check(overlay: str, tmp_path: Path) -> None:
    """So that the file never says too little or too much."""
    reasons = yaml.safe_load((TREE / "checkov.yaml").read_text())
    wanted = {*reasons["every overlay"], *reasons.get(overlay, {})}
    assert failed(yaml.safe_dump_all(rendered(overlay)), tmp_path) == wanted


def test_a_pod_with_too_many_rights_would_be_seen(tmp_path: Path) -> None:
    """Otherwise the test above would prove nothing."""
    manifests = list(yaml.safe_load_all(yaml.safe_dump_all(rendered("dev"))))
    containers_of(of_kind(manifests, "Deployment")[0])[0]["securityContext"]["privileged"] = True
    assert "CKV_K8S_16" in failed(yaml.safe_dump_all(manifests), tmp_path)
