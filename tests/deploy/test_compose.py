"""deploy/compose.yaml is of the schema of its kind, and says the same as the services and the manifests."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from shared.runtime import livez
from shared.runtime.settings import PREFIX, SECRETS_DIR, StopSettings, read
from tests.deploy.composed import FILE, FOLDER, OURS, document, mounts_of, secrets_of, services
from tests.deploy.manifests import SERVICES, TREE, containers_of, environment_of, named, rendered
from tests.deploy.test_workloads import END_SECONDS, OPENERS, settings_of, variables_of

CHECKER = Path(sys.executable).with_name("check-jsonschema")
OTHERS = set(services()) - set(OURS)


def faults(file: Path) -> str:
    """What the Compose Specification's schema, which the checker brings along, says of a file."""
    command = [CHECKER, "--builtin-schema", "vendor.compose-spec", file]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    return "" if done.returncode == 0 else done.stdout + done.stderr


def test_it_is_of_the_schema_and_a_misspelt_key_would_be_seen(tmp_path: Path) -> None:
    assert faults(FILE) == ""
    wrong = tmp_path / "compose.yaml"
    wrong.write_text(FILE.read_text().replace("cap_drop", "cap_drops"))
    assert "cap_drops" in faults(wrong)


def test_every_service_is_there_with_the_command_of_its_name() -> None:
    """Of the image that the manifests roll out."""
    (image,) = yaml.safe_load((TREE / "release" / "kustomization.yaml").read_text())["images"]
    assert set(SERVICES) <= set(services())
    for name in OURS:
        assert services()[name]["image"] == f"{image['newName']}:{image['newTag']}"
    for name in SERVICES:
        assert services()[name]["command"] == [name]


@pytest.mark.parametrize("name", OURS)
def test_every_variable_and_secret_is_a_setting_of_that_service_and_every_value_is_taken(
    name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A misspelt one would end the process at its start; and none is a secret."""
    folder = SERVICES.get(name, "console")
    environ = services()[name]["environment"]
    files = secrets_of(services()[name])
    assert [one for one in (*environ, *files) if one not in variables_of(folder)] == []
    assert set(environ) & set(files) == set()
    assert all(where == f"{SECRETS_DIR}/{one}" for one, where in files.items())
    for variable, value in environ.items():
        monkeypatch.setenv(variable, value)
    for settings in settings_of(folder):
        read(settings, {**environ, f"{PREFIX}SECRETS_DIR": str(tmp_path)})


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_is_told_what_its_manifest_tells_it(name: str) -> None:
    """But for where it is."""
    manifests = rendered("dev")
    (container,) = containers_of(named(manifests, "Deployment", f"mail-automator-{name}"))
    ours, theirs = services()[name]["environment"], environment_of(container, manifests)
    own = {f"{PREFIX}SECRETS_DIR", f"{PREFIX}FETCHER_ID"}
    assert {k: v for k, v in ours.items() if k not in own} == {k: v for k, v in theirs.items() if k not in own}
    assert (f"{PREFIX}STORE_KEY" in secrets_of(services()[name])) == (name in OPENERS)
    assert ("outside" in services()[name]["networks"]) == (name in OPENERS)
    most = {"1Gi": "1g", "512Mi": "512m", "1536Mi": "1536m"}
    assert services()[name]["mem_limit"] == most[container["resources"]["limits"]["memory"]]


def test_the_preparation_does_what_the_job_does_and_everything_waits_for_it() -> None:
    """Which waits for broker and store."""
    commands = [one["command"] for one in containers_of(named(rendered("dev"), "Job", "mail-automator-prepare"))]
    prepare = services()["prepare"]
    assert prepare["entrypoint"] == ["sh", "-ec"]
    assert prepare["command"] == ["; ".join(" ".join(one) for one in commands)]
    assert prepare["restart"] == "no"
    servers = {one: {"condition": "service_healthy"} for one in ("rabbitmq", "mongodb")}
    assert prepare["depends_on"] == servers
    for name in SERVICES:
        done = {"prepare": {"condition": "service_completed_successfully"}}
        assert services()[name]["depends_on"] == {**servers, **done}


@pytest.mark.parametrize("name", services())
def test_no_container_may_do_more_than_it_must(name: str) -> None:
    """And none is reached from another machine, without a limit of memory, or without a look at its health."""
    service = services()[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert not {"cap_add", "privileged", "network_mode", "pid", "devices"} & set(service)
    assert all(one.startswith("127.0.0.1:") for one in service.get("ports", []))
    assert "mem_limit" in service
    assert service["healthcheck"] == {"disable": True} if name == "prepare" else "test" in service["healthcheck"]
    if name in OURS:
        assert service["user"] == "10001:10001"
        assert [one for one in service["tmpfs"] if one.startswith("/tmp:")]


def test_a_container_has_longer_to_stop_than_its_process_and_is_asked_by_what_the_image_has() -> None:
    """Otherwise what it holds is cut off."""
    for name in SERVICES:
        grace = int(services()[name]["stop_grace_period"].removesuffix("s"))
        assert grace >= read(StopSettings, {}).seconds + END_SECONDS
        assert float(services()[name]["environment"][f"{PREFIX}STOP_SECONDS"]) == read(StopSettings, {}).seconds
        check = services()[name]["healthcheck"]
        assert check["test"] == ["CMD", "python", "-m", livez.__name__]
        assert float(check["timeout"].removesuffix("s")) > livez.ANSWER_SECONDS


def test_everything_that_is_mounted_exists_and_nothing_of_ours_can_be_written() -> None:
    """Volumes are declared and used, networks too."""
    named_volumes: set[str] = set()
    for service in services().values():
        for what, _, only_read in mounts_of(service):
            if what.startswith("./"):
                assert only_read, what
                assert what.startswith("./secrets/") or (FOLDER / what).exists(), what
            else:
                named_volumes.add(what)
    assert named_volumes == set(document()["volumes"])
    assert {one for service in services().values() for one in service["networks"]} == set(document()["networks"])
    used = {one for service in services().values() for one in secrets_of(service)}
    assert used == set(document()["secrets"])


@pytest.mark.parametrize("name", OTHERS)
def test_an_image_of_others_has_a_version(name: str) -> None:
    """One that does not move to the next by itself."""
    assert re.fullmatch(r"[a-z/]+:v?\d[\d.]*", services()[name]["image"])


def test_no_password_stands_in_it() -> None:
    """Variables that would be one name a file."""
    for service in services().values():
        for variable in service.get("environment", {}):
            assert not re.search("PASSWORD|SECRET|KEY|TOKEN|_URL", variable) or variable.endswith(
                ("_FILE", "PUBLIC_URL")
            )
    assert not re.search(r"://[^/\s]*:[^/\s]*@", FILE.read_text())
