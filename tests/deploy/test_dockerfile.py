"""deploy/Dockerfile, read: what can be told of the image without building it (`make image-check` builds it)."""

import json
import re
import subprocess
import sys
import tomllib
from fnmatch import fnmatch
from pathlib import Path

from shared.runtime import livez
from shared.runtime.settings import AdminSettings
from tests.deploy.manifests import ROOT, SERVICES, containers_of, environment_of, of_kind, rendered
from tests.deploy.test_workloads import variables_of

FILE = ROOT / "deploy" / "Dockerfile"
TEXT = re.sub(r"\\\n\s*", "", re.sub(r"^#.*\n", "", FILE.read_text(), flags=re.M))
HADOLINT = Path(sys.executable).with_name("hadolint")
BUILD, FINAL = re.split(r"^FROM ", TEXT, flags=re.M)[1:]


def values_of(instruction: str, stage: str = FINAL) -> list[str]:
    """What stands behind an instruction, each time."""
    return re.findall(rf"^{instruction} (.*)$", stage, re.M)


def faults(file: Path) -> list[str]:
    """What hadolint says of it, of any severity, without a rule switched off."""
    assert "hadolint ignore" not in file.read_text()
    command = [HADOLINT, "--no-color", "--failure-threshold", "style", file]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == (1 if done.stdout else 0), done.stderr
    return done.stdout.splitlines()


def test_hadolint_finds_nothing_and_would_find_something(tmp_path: Path) -> None:
    assert faults(FILE) == []
    worse = tmp_path / "Dockerfile"
    worse.write_text(FILE.read_text() + "\nRUN pip install requests\n")
    assert [line for line in faults(worse) if "DL3013" in line]


def test_it_is_built_of_the_lock_file_alone_and_the_last_stage_runs_nothing() -> None:
    """No package manager, no shell: what is in it is the base and one folder."""
    assert "--require-hashes --no-deps --only-binary :all: --requirement requirements.lock" in BUILD
    assert all("--no-index" in one for one in re.findall(r"pip (?:install|wheel|--python)[^&]*", BUILD))
    assert values_of("RUN") == []
    assert values_of("COPY") == ["--from=build /opt/mail-automator /opt/mail-automator"]
    assert (values_of("FROM", TEXT), values_of("USER")) == (["${BASE} AS build", "${BASE}"], ["10001:10001"])


def test_what_it_copies_is_let_in_and_nothing_else_is() -> None:
    """By .dockerignore: no data, no secrets, no folder of git."""
    first, *lines = [one for one in (ROOT / ".dockerignore").read_text().splitlines() if not one.startswith("#")]
    assert first == "*"
    let_in = {one.removeprefix("!") for one in lines if one.startswith("!")}
    copied = {word for one in values_of("COPY", BUILD) for word in one.split()[:-1]}
    assert copied == let_in
    assert all((ROOT / one).exists() for one in copied)
    assert any(fnmatch("services/__pycache__", one.replace("**/", "*/")) for one in lines)


def test_its_version_is_the_package_s_and_its_command_the_manifests() -> None:
    """Which call it by name, so it is on the path."""
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert f"VERSION={version}" in values_of("ARG")
    (entry,) = [json.loads(one) for one in values_of("ENTRYPOINT")]
    for workload in of_kind(rendered("dev"), "Deployment", "Job"):
        assert all(container["command"][: len(entry)] == entry for container in containers_of(workload))
    assert "PATH=/opt/mail-automator/bin:" in FINAL


def test_it_listens_where_the_manifests_say_and_is_asked_there() -> None:
    """Its variables are settings; the health check ends before it is ended."""
    given = dict(re.findall(r"(MAIL_AUTOMATOR_\w+)=(\S+)", FINAL))
    assert set(given) <= {name for one in SERVICES.values() for name in variables_of(one)}
    ports = values_of("EXPOSE")[0].split()
    for workload in of_kind(rendered("dev"), "Deployment"):
        (container,) = containers_of(workload)
        assert {str(one["containerPort"]) for one in container["ports"]} <= set(ports)
        environ = environment_of(container, rendered("dev"))
        assert all(environ.get(name, value) == value for name, value in given.items())
    (check,) = values_of("HEALTHCHECK")
    assert json.loads(check.partition("CMD ")[2]) == ["python", "-m", livez.__name__]
    found = re.search(r"--timeout=(\d+)s", check)
    assert found and float(found[1]) > livez.ANSWER_SECONDS
    assert AdminSettings.model_fields["port"].default == 0, "so the image has to say which"
