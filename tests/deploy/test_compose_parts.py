"""What deploy/compose.yaml mounts: each part is taken by the program that reads it."""

import json
import shutil
import stat
import subprocess
from pathlib import Path

import pytest
import yaml

from shared.broker.settings import BrokerSettings
from shared.runtime.settings import PREFIX, read
from shared.store.keys import Keyring
from shared.store.settings import StoreSettings
from tests.deploy.composed import FOLDER, PARTS, document, make_secrets, mounts_of, secrets_of, services
from tests.deploy.manifests import SERVICES
from tests.support.monitoring import MONITORING, promtool
from tests.support.npm import PROGRAM as NODE


@pytest.fixture
def made(tmp_path: Path) -> Path:
    """A folder of secrets, as a person makes it."""
    make_secrets(tmp_path / "secrets")
    return tmp_path / "secrets"


def contents(folder: Path) -> dict[str, str]:
    return {str(one.relative_to(folder)): one.read_text() for one in sorted(folder.rglob("*")) if one.is_file()}


def test_every_secret_is_made_once_by_chance_and_stays(made: Path, tmp_path: Path) -> None:
    """All that the file names, readable in containers, in a folder that is closed to others on this machine."""
    before = contents(made)
    assert {Path(one["file"]).relative_to("secrets") for one in document()["secrets"].values()} <= {
        Path(one) for one in before
    }
    make_secrets(made)
    assert contents(made) == before
    make_secrets(tmp_path / "others")
    others = contents(tmp_path / "others")
    assert set(others) == set(before)
    assert [name for name in before if before[name] == others[name]] == []
    assert stat.S_IMODE(made.stat().st_mode) == 0o700
    assert {stat.S_IMODE((made / one).stat().st_mode) for one in before} == {0o444}


def test_the_services_take_them_as_settings_and_broker_and_store_know_the_same_passwords(made: Path) -> None:
    environ = {f"{PREFIX}SECRETS_DIR": str(made)}
    store, broker = read(StoreSettings, environ), read(BrokerSettings, environ)
    assert len(Keyring.of(store).current().key_id) > 0
    word = (made / "mongodb-password").read_text()
    assert store.url.get_secret_value() == (
        f"mongodb://mail-automator:{word}@mongodb:27017/mail_automator?replicaSet=mail-automator"
    )
    given = dict(line.split(" = ") for line in (made / "rabbitmq.conf").read_text().splitlines())
    user, word = given["default_user"], given["default_pass"]
    assert broker.url.get_secret_value() == f"amqp://{user}:{word}@rabbitmq:5672/"


def test_the_folder_of_secrets_is_never_committed() -> None:
    command = ["git", "check-ignore", "--quiet", "deploy/secrets/MAIL_AUTOMATOR_STORE_KEY"]
    assert subprocess.run(command, cwd=FOLDER.parent, timeout=60, check=False).returncode == 0


def test_prometheus_takes_its_file_and_asks_every_service_on_its_admin_port(tmp_path: Path) -> None:
    """By a job like that of the example in deploy/monitoring."""
    for what, where, _ in mounts_of(services()["prometheus"]):
        if what.startswith("./"):
            shutil.copy(FOLDER / what, tmp_path / Path(where).name)
    done = promtool("check", "config", tmp_path / "prometheus.yml")
    assert done.returncode == 0, done.stderr.decode()
    assert b"2 rule files found" in done.stdout
    (job,), (other,) = (
        yaml.safe_load((folder / "prometheus.yml").read_text())["scrape_configs"] for folder in (PARTS, MONITORING)
    )
    port = services()["filter"]["environment"]["MAIL_AUTOMATOR_ADMIN_PORT"]
    (targets,) = job.pop("static_configs")
    assert targets["targets"] == [f"{name}:{port}" for name in SERVICES]
    assert job == {name: value for name, value in other.items() if name != "static_configs"}


def test_grafana_finds_prometheus_and_every_dashboard() -> None:
    """Where it looks is where they are mounted."""
    grafana = services()["grafana"]
    where = {what: there for what, there, _ in mounts_of(grafana)}
    (provider,) = yaml.safe_load((PARTS / "grafana" / "dashboards" / "mail-automator.yaml").read_text())["providers"]
    assert provider["options"]["path"] == where["./monitoring/dashboards"]
    home = Path(grafana["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"])
    assert str(home.parent) == where["./monitoring/dashboards"]
    assert (MONITORING / "dashboards" / home.name).exists()
    (given,) = yaml.safe_load((PARTS / "grafana" / "datasources" / "prometheus.yaml").read_text())["datasources"]
    assert (given["type"], given["url"], given["isDefault"]) == ("prometheus", "http://prometheus:9090", True)
    for file in (MONITORING / "dashboards").glob("*.json"):
        choices = json.loads(file.read_text())["templating"]["list"]
        assert [one["query"] for one in choices if one["type"] == "datasource"] == [given["type"]]


def test_scripts_of_mongodb_are_valid_and_read_the_secrets_that_it_is_given() -> None:
    mongodb = services()["mongodb"]
    scripts = [what for what, _, _ in mounts_of(mongodb) if what.endswith(".js")]
    assert len(scripts) == 2
    for one in scripts:
        done = subprocess.run([NODE, "--check", FOLDER / one], capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stderr
        read_files = [word for word in (FOLDER / one).read_text().split('"') if word.startswith("/run/secrets/")]
        assert read_files and set(read_files) <= set(secrets_of(mongodb).values())
    name = mongodb["command"][mongodb["command"].index("--replSet") + 1]
    assert f'_id: "{name}"' in (PARTS / "mongodb" / "ready.js").read_text()
    assert mongodb["hostname"] == "mongodb"
