"""The Prometheus Operator is given the very rules that promtool tests, and Grafana every dashboard.

Write the rules anew with `python -m tests.deploy.test_prometheus_rule`.
"""

import json

import yaml

from tests.deploy.manifests import TREE, Manifest, named, of_kind, rendered

MONITORING = TREE.parent / "monitoring"
SOURCES = ("recording-rules.yaml", "alerts.yaml")
FILE = TREE / "components" / "monitoring" / "prometheusrule.yaml"
HEAD = "# Written from deploy/monitoring by `python -m tests.deploy.test_prometheus_rule`.\n"


def rule() -> Manifest:
    """All groups of both files, as one resource."""
    labels = {"app.kubernetes.io/component": "rules"}
    return {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "PrometheusRule",
        "metadata": {"name": "mail-automator", "labels": labels},
        "spec": {
            "groups": [one for name in SOURCES for one in yaml.safe_load((MONITORING / name).read_text())["groups"]]
        },
    }


def page() -> str:
    return HEAD + yaml.safe_dump(rule(), sort_keys=False, width=120, allow_unicode=True)


def test_the_resource_is_what_the_rules_say() -> None:
    """A new alert is in it; kustomize changes none of it."""
    assert FILE.read_text() == page()
    assert named(rendered("production"), "PrometheusRule", "mail-automator")["spec"] == rule()["spec"]


def test_every_dashboard_is_in_the_config_map_that_grafana_looks_for() -> None:
    """Byte for byte what the tests of dashboards ask Prometheus for."""
    config_map = named(of_kind(rendered("production"), "ConfigMap"), "ConfigMap", "mail-automator-dashboards")
    assert config_map["metadata"]["labels"]["grafana_dashboard"] == "1"
    files = {one.name: json.loads(one.read_text()) for one in (MONITORING / "dashboards").glob("*.json")}
    assert {name: json.loads(text) for name, text in config_map["data"].items()} == files


if __name__ == "__main__":
    FILE.write_text(page())
