"""What the services of the laptop mode are given of the key of secrets: a file, or what they inherit; never both."""

from pathlib import Path

from services.all_in_one.app import compose
from services.all_in_one.launch import Launch
from services.all_in_one.system import System
from shared.runtime.process import Process

TEXT = "MAIL_AUTOMATOR_STORE_KEY"
FILE = "MAIL_AUTOMATOR_STORE_KEY_FILE"


def environment(system: System) -> dict[str, str]:
    return system.launch.environment({TEXT: "inherited"}, "amqp://x", "mongodb://x", system.key_file, 1)


def test_without_a_key_in_the_environment_there_is_a_key_file_that_takes_its_place(tmp_path: Path) -> None:
    system = System(tmp_path, launch=Launch())
    given = environment(system)
    assert (given[FILE], given[TEXT]) == (str(tmp_path / "store.key"), "")


def test_a_key_in_the_environment_is_inherited_and_no_file_is_made(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv(TEXT, "inherited")
    system = compose(Process("all_in_one", {TEXT: "inherited"}), tmp_path)
    given = environment(system)
    assert FILE not in given
    assert given[TEXT] == "inherited"
    assert system.endpoints["key_file"] is None
