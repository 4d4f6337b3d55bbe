"""docs/events/asyncapi.yaml, read by the parser of the AsyncAPI project (`@asyncapi/parser`, through node).

Node comes with `pyright[nodejs]`; the parser is installed beside this file, from package-lock.json, on first use.
"""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from shared.contracts.events import EVENTS
from tests.support.npm import PROGRAM, installed

HERE = Path(__file__).parent
DOCUMENT = HERE.parents[1] / "docs" / "events" / "asyncapi.yaml"


@pytest.fixture(scope="session", autouse=True)
def parser() -> None:
    """Installed as the lock file says. Skipped, with npm's own reason, where no registry can be reached."""
    installed(HERE, "the AsyncAPI parser")


def check(file: Path) -> dict[str, Any]:
    command = [PROGRAM, str(HERE / "check.mjs"), str(file)]
    done = subprocess.run(command, cwd=HERE, capture_output=True, text=True, timeout=60, check=True)
    return json.loads(done.stdout)


def document() -> dict[str, Any]:
    return yaml.safe_load(DOCUMENT.read_text())


def test_the_parser_takes_the_document_without_a_word_and_finds_every_event() -> None:
    """No error, no warning, no hint."""
    found = check(DOCUMENT)
    assert (found["parsed"], found["diagnostics"]) == (True, [])
    assert found["messages"] == list(EVENTS)
    assert len(found["operations"]) == len(EVENTS) + 1


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("asyncapi",), "3.9.9"),
        (("channels", "ticketCreated", "bindings", "amqp", "exchange", "type"), "sideways"),
        (("channels", "ticketCreated", "bindings", "amqp", "is"), "queue"),
        (("channels", "ticketCreated", "parameters"), {}),
        (("operations", "onTicketCreated", "action"), "listen"),
        (("operations", "onTicketCreated", "channel", "$ref"), "#/channels/nowhere"),
    ],
)
def test_the_parser_would_see_a_fault(tmp_path: Path, path: tuple[str | int, ...], value: object) -> None:
    """Otherwise the test above would prove nothing."""
    damaged = document()
    place: Any = damaged
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    file = tmp_path / "asyncapi.yaml"
    file.write_text(yaml.safe_dump(damaged, sort_keys=False))
    assert check(file)["diagnostics"]


def test_the_lock_file_has_hashes_and_no_addresses() -> None:
    """As those of Python: where from is the machine's business."""
    text = (HERE / "package-lock.json").read_text()
    packages = json.loads(text)["packages"]
    assert all("integrity" in one for name, one in packages.items() if name)
    assert "://" not in text
