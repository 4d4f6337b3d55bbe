"""What each Deployment and Job promises, held against the services as they are."""

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from pydantic_settings import BaseSettings

from services.console.cli.services import SERVICES as COMMANDS
from shared.broker import topology
from shared.runtime import admin
from shared.runtime.process import Process
from shared.runtime.settings import PREFIX, SECRETS_DIR, StopSettings, read
from tests.deploy.manifests import (
    COMPONENT,
    OVERLAYS,
    ROOT,
    SERVICES,
    Manifest,
    component,
    containers_of,
    environment_of,
    mounted_files,
    named,
    of_kind,
    pod_of,
    rendered,
    title,
)
from tests.unit.runtime.test_settings_page import SETTINGS

SCALED = {"filter": topology.FILTER, "classifier": topology.CLASSIFIER, "ticket-writer": topology.TICKET_WRITER}
OPENERS = {"fetcher", "notifier", "console"}
"""Those who open stored secrets, because they sign in to mail servers."""
END_SECONDS = 5
"""What a process may take beyond its deadline: closing the admin port, and the container runtime."""

WORKLOADS = [(overlay, one) for overlay in OVERLAYS for one in of_kind(rendered(overlay), "Deployment", "Job")]
DEPLOYMENTS = [(overlay, one) for overlay, one in WORKLOADS if one["kind"] == "Deployment"]


def each(pairs: list[tuple[str, Manifest]]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize(
        ("overlay", "workload"), pairs, ids=[f"{overlay} {title(workload)}" for overlay, workload in pairs]
    )


def settings_of(folder: str) -> Iterator[type[BaseSettings]]:
    """The settings that a service reads, by its own source and that of what every service starts with."""
    classes = {one.__name__: one for _, one in SETTINGS}
    sources = [*(ROOT / "services" / folder).rglob("*.py"), *(ROOT / "shared" / "runtime").glob("*.py")]
    for source in sources:
        yield from (
            classes[name] for name in re.findall(r"\bread\((\w+Settings)\b", source.read_text()) if name in classes
        )


def variables_of(folder: str) -> set[str]:
    """Every variable that a service knows."""
    known = {
        f"{settings.model_config.get('env_prefix', '')}{field}".upper()
        for settings in settings_of(folder)
        for field in settings.model_fields
    }
    return {*known, f"{PREFIX}SECRETS_DIR"}


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_each_service_is_deployed_and_nothing_else(overlay: str) -> None:
    """And runs the command of its name."""
    deployments = of_kind(rendered(overlay), "Deployment")
    assert {component(one) for one in deployments} == set(SERVICES)
    for one in deployments:
        (container,) = containers_of(one)
        assert container["command"] == ["mail-automator", component(one)]
        assert COMMANDS[component(one)][0] == f"services.{SERVICES[component(one)]}"


@each(WORKLOADS)
def test_every_variable_is_a_setting_of_that_service_and_every_value_is_taken(
    overlay: str, workload: Manifest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Files of Secrets included. A misspelt one would end the process at its start."""
    folder = SERVICES.get(component(workload), "console")  # the job's commands are the console's
    for container in containers_of(workload):
        environ = environment_of(container, rendered(overlay))
        files = [name for name, *_ in mounted_files(workload)]
        assert [name for name in (*environ, *files) if name not in variables_of(folder)] == []
        assert set(environ) & set(files) == set(), "one place for each"
        for name, value in environ.items():
            monkeypatch.setenv(name, value)
        given = {**environ, f"{PREFIX}SECRETS_DIR": str(tmp_path)}
        for settings in settings_of(folder):
            read(settings, given)


@each(WORKLOADS)
def test_secrets_are_mounted_where_the_settings_look_for_them_and_keys_only_where_they_are_needed(
    overlay: str, workload: Manifest
) -> None:
    """Never in the environment, where every child and every dump has them."""
    for container in containers_of(workload):
        environ = environment_of(container, rendered(overlay))
        (mount,) = [one for one in container["volumeMounts"] if one["name"] == "secrets"]
        assert environ[f"{PREFIX}SECRETS_DIR"] == mount["mountPath"]
        assert mount["mountPath"].startswith(SECRETS_DIR)
        assert all("secretKeyRef" not in one.get("valueFrom", {}) for one in container.get("env", []))
        assert all("secretRef" not in one for one in container["envFrom"])
    files = {name for name, *_ in mounted_files(workload)}
    assert ("MAIL_AUTOMATOR_STORE_KEY" in files) == (component(workload) in OPENERS)


@each(DEPLOYMENTS)
def test_each_probe_asks_a_page_that_exists_on_a_port_that_is_open(overlay: str, workload: Manifest) -> None:
    """And not one that asks broker or store to decide whether to kill the process."""
    (container,) = containers_of(workload)
    environ = environment_of(container, rendered(overlay))
    ports = {one["name"]: one["containerPort"] for one in container["ports"]}
    pages = {route.path for route in admin.server(Process("filter", {})).config.app.routes}
    probes = {kind: container[f"{kind}Probe"]["httpGet"] for kind in ("startup", "liveness", "readiness")}
    assert {one["path"] for one in probes.values()} <= pages
    assert (probes["liveness"]["path"], probes["startup"]["path"]) == ("/livez", "/startupz")
    for probe in probes.values():
        assert ports[probe["port"]] == int(environ["MAIL_AUTOMATOR_ADMIN_PORT"])
    assert environ["MAIL_AUTOMATOR_ADMIN_HOST"] == "0.0.0.0"
    if component(workload) == "console":
        assert ports["http"] == int(environ["MAIL_AUTOMATOR_CONSOLE_PORT"])
        assert environ["MAIL_AUTOMATOR_CONSOLE_HOST"] == "0.0.0.0"


@each(DEPLOYMENTS)
def test_a_pod_is_given_longer_to_end_than_the_process_takes(
    overlay: str, workload: Manifest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise what it holds is cut off instead of finished or given back."""
    (container,) = containers_of(workload)
    for name, value in environment_of(container, rendered(overlay)).items():
        monkeypatch.setenv(name, value)
    deadline = read(StopSettings, {}).seconds
    before = container.get("lifecycle", {}).get("preStop", {}).get("sleep", {}).get("seconds", 0)
    assert pod_of(workload)["terminationGracePeriodSeconds"] >= before + deadline + END_SECONDS


@each(WORKLOADS)
def test_a_pod_may_do_nothing_that_it_need_not(overlay: str, workload: Manifest) -> None:
    """The restricted standard of Kubernetes, and a root that cannot be written."""
    pod = pod_of(workload)
    assert pod["automountServiceAccountToken"] is False
    assert pod["enableServiceLinks"] is False, "its variables would carry our prefix, and be refused"
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert (pod["securityContext"]["runAsUser"], pod["securityContext"]["fsGroup"]) == (10001, 10001)
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    temporary = [one for one in pod["volumes"] if one["name"] == "tmp"]
    assert temporary and "sizeLimit" in temporary[0]["emptyDir"]
    for container in containers_of(workload):
        context = container["securityContext"]
        assert (context["allowPrivilegeEscalation"], context["readOnlyRootFilesystem"]) == (False, True)
        assert context["capabilities"] == {"drop": ["ALL"]}
        assert {"name": "tmp", "mountPath": "/tmp"} in container["volumeMounts"]
        assert set(container["resources"]["requests"]) == {"cpu", "memory"}
        assert set(container["resources"]["limits"]) == {"memory"}, "no CPU limit: docs/kubernetes.md says why"


@each(WORKLOADS)
def test_each_service_is_an_account_of_its_own_without_a_token(overlay: str, workload: Manifest) -> None:
    account = named(rendered(overlay), "ServiceAccount", pod_of(workload)["serviceAccountName"])
    assert account["automountServiceAccountToken"] is False
    assert component(account) == component(workload)


@each(DEPLOYMENTS)
def test_each_service_has_a_budget_and_is_spread_over_zones(overlay: str, workload: Manifest) -> None:
    """By selectors that find its pods, and no other's."""
    selector = workload["spec"]["selector"]["matchLabels"]
    assert selector[COMPONENT] == component(workload)
    assert selector.items() <= workload["spec"]["template"]["metadata"]["labels"].items()
    assert "app.kubernetes.io/version" not in selector, "selectors cannot be changed"
    (budget,) = [
        one for one in of_kind(rendered(overlay), "PodDisruptionBudget") if component(one) == selector[COMPONENT]
    ]
    assert (budget["spec"]["maxUnavailable"], budget["spec"]["selector"]["matchLabels"]) == (1, selector)
    spread = pod_of(workload)["topologySpreadConstraints"]
    assert "topology.kubernetes.io/zone" in [one["topologyKey"] for one in spread]
    for one in spread:
        assert (one["whenUnsatisfiable"], one["labelSelector"]["matchLabels"]) == ("ScheduleAnyway", selector)


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_every_object_and_pod_says_what_it_is_and_of_which_version(overlay: str) -> None:
    """One place gives the version of labels and image, and it is that of the package."""
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    manifests = rendered(overlay)
    pods = [one["spec"]["template"] for one in of_kind(manifests, "Deployment", "Job")]
    for one in (*manifests, *pods):
        labels = {name.removeprefix("app.kubernetes.io/"): value for name, value in one["metadata"]["labels"].items()}
        assert {"name", "instance", "version", "part-of", "managed-by"} <= set(labels), one["metadata"]
        assert (labels["name"], labels["version"]) == ("mail-automator", version)
    for one in of_kind(manifests, "Deployment", "Job"):
        for container in containers_of(one):
            assert container["image"] == f"mail-automator:{version}"


def test_keda_scales_each_stage_with_a_queue_by_its_own_and_never_the_fetcher() -> None:
    """Where it scales, the Deployment says no number."""
    manifests = rendered("production")
    scaled = {component(one): one["spec"] for one in of_kind(manifests, "ScaledObject")}
    assert set(scaled) == set(SCALED)
    for name, spec in scaled.items():
        (trigger,) = spec["triggers"]
        assert named(manifests, "Deployment", spec["scaleTargetRef"]["name"])["metadata"]["labels"][COMPONENT] == name
        assert trigger["metadata"]["queueName"] == SCALED[name].name
        assert (trigger["metadata"]["protocol"], trigger["metadata"]["mode"]) == ("http", "QueueLength")
        assert {"value", "activationValue"} <= set(trigger["metadata"])
        assert spec["minReplicaCount"] == 1
        named(manifests, "TriggerAuthentication", trigger["authenticationRef"]["name"])
    for one in of_kind(manifests, "Deployment"):
        assert ("replicas" in one["spec"]) == (component(one) not in scaled)


def test_prometheus_is_told_of_every_service_by_a_port_that_it_has() -> None:
    """Workers by their pods, the console by its Service."""
    manifests = rendered("production")
    (pods,), (service,) = of_kind(manifests, "PodMonitor"), of_kind(manifests, "ServiceMonitor")
    (not_in,) = pods["spec"]["selector"]["matchExpressions"]
    assert not_in["operator"] == "NotIn"
    seen = {component(one) for one in of_kind(manifests, "Deployment")} - set(not_in["values"])
    console = named(manifests, "Service", "mail-automator-console")
    assert service["spec"]["selector"]["matchLabels"].items() <= console["metadata"]["labels"].items()
    assert {*seen, component(console)} == set(SERVICES)
    ports: list[Any] = [*pods["spec"]["podMetricsEndpoints"], *service["spec"]["endpoints"]]
    assert {(one["port"], one["path"]) for one in ports} == {("admin", "/metrics")}
    assert "admin" in [one["name"] for one in console["spec"]["ports"]]


def test_the_ingress_serves_the_host_that_the_console_says_it_has() -> None:
    """People come back from sign-in pages to that address."""
    manifests = rendered("production")
    console = named(manifests, "Deployment", "mail-automator-console")
    environ = environment_of(containers_of(console)[0], manifests)
    url = urlsplit(environ["MAIL_AUTOMATOR_CONSOLE_PUBLIC_URL"])
    (ingress,) = of_kind(manifests, "Ingress")
    (rule,) = ingress["spec"]["rules"]
    assert (url.scheme, url.hostname) == ("https", rule["host"])
    assert ingress["spec"]["tls"][0]["hosts"] == [rule["host"]]
    (path,) = rule["http"]["paths"]
    service = named(manifests, "Service", path["backend"]["service"]["name"])
    assert path["backend"]["service"]["port"]["name"] in [one["name"] for one in service["spec"]["ports"]]
    assert environ["MAIL_AUTOMATOR_CONSOLE_PROXIES"] == "1"


def test_only_those_who_sign_in_reach_mail_servers_and_nobody_more_than_is_named() -> None:
    """By the ports that the services use."""
    policies = {one["metadata"]["name"]: one["spec"] for one in of_kind(rendered("production"), "NetworkPolicy")}
    deny = policies["mail-automator-default-deny"]
    assert deny["policyTypes"] == ["Ingress", "Egress"]
    assert deny["podSelector"]["matchLabels"] == {"app.kubernetes.io/name": "mail-automator"}
    assert "ingress" not in deny and "egress" not in deny
    mail = policies["mail-automator-mail-servers"]
    assert set(mail["podSelector"]["matchExpressions"][0]["values"]) == OPENERS
    assert {one["port"] for one in mail["egress"][0]["ports"]} == {143, 993, 465, 587, 443}
    blocks = [one["ipBlock"] for one in mail["egress"][0]["to"]]
    assert {"10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16"} <= set(blocks[0]["except"])
    out = {
        port["port"]: name
        for name, spec in policies.items()
        for rule in spec.get("egress", [])
        for port in rule["ports"]
    }
    assert set(out) == {53, 143, 443, 465, 587, 993, 5671, 5672, 27017}
    into = {port["port"] for spec in policies.values() for rule in spec.get("ingress", []) for port in rule["ports"]}
    assert into == {8080, 9000}


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_the_job_before_a_roll_out_can_be_applied_alone(overlay: str) -> None:
    """docs/kubernetes.md applies what is labelled so first: all that the job refers to is in it."""
    manifests = rendered(overlay)
    first = [
        one for one in manifests if one["metadata"]["labels"].get(COMPONENT) in ("settings", "prepare", "topology")
    ]
    (job,) = of_kind(first, "Job")
    named(first, "ServiceAccount", pod_of(job)["serviceAccountName"])
    commands = [container["command"] for container in containers_of(job)]
    look = "check" if overlay == "production" else "apply"
    assert commands == [
        ["mail-automator", *words] for words in (("store", "init"), ("topology", look), ("store", "upgrade"))
    ]
    for container in containers_of(job):
        environ = environment_of(container, first)
        assert environ["MAIL_AUTOMATOR_BROKER_TOPOLOGY"] == ("verify" if overlay == "production" else "declare")
