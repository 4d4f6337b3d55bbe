"""docs/events: schemas and the AsyncAPI document are what the models say, and every example in them is valid.

Write them anew with `python -m tests.unit.contracts.test_event_documents`.
"""

import copy
import json
from importlib.metadata import version
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
import yaml

from services.console.cli.events import as_yaml
from shared.broker import topology
from shared.contracts import asyncapi, schemas
from shared.contracts.events import EVENTS, short_name
from shared.contracts.examples import examples
from shared.domain.decision import Reason
from shared.domain.mailbox import Module

ROOT = Path(__file__).parents[3]
PAGES = ROOT / "docs" / "events"
GOLDEN = ROOT / "tests" / "contract" / "golden"
PLACE = "{module}.{department}.{service}.{mailbox}"


def schema_files() -> dict[str, dict[str, Any]]:
    whole = {f"{short_name(kind)}.event.schema.json": schemas.event_schema(kind) for kind in EVENTS}
    return whole | {f"{short_name(kind)}.data.schema.json": schemas.data_schema(kind) for kind in EVENTS}


def golden(kind: str) -> dict[str, Any]:
    return json.loads((GOLDEN / f"{short_name(kind)}.json").read_text())


def validator(schema: dict[str, Any]) -> jsonschema_rs.Validator:
    return jsonschema_rs.validator_for(schema, validate_formats=True)


def test_the_schema_files_are_what_the_models_say() -> None:
    """A changed event is a changed file, seen in review."""
    assert {file.name: json.loads(file.read_text()) for file in PAGES.glob("*.json")} == schema_files()


def test_the_asyncapi_file_is_what_the_models_say() -> None:
    assert (PAGES / "asyncapi.yaml").read_text() == as_yaml(asyncapi.document(version("mail-automator")))


@pytest.mark.parametrize("kind", EVENTS)
def test_every_golden_event_is_valid_and_names_the_schema_of_its_data(kind: str) -> None:
    event, data_schema = golden(kind)["body"], schemas.data_schema(kind)
    validator(schemas.event_schema(kind)).validate(event)
    validator(data_schema).validate(event["data"])
    assert event["dataschema"] == data_schema["$id"]
    assert event["correlationid"] == event["data"]["mail_id"]


@pytest.mark.parametrize("kind", EVENTS)
@pytest.mark.parametrize(
    "damage", [{"type": "io.mail-automator.other.v1"}, {"data": {}}, {"time": "yesterday"}, {"specversion": "0.3"}]
)
def test_a_schema_refuses_what_is_no_event_of_its_type(kind: str, damage: dict[str, Any]) -> None:
    assert not validator(schemas.event_schema(kind)).is_valid({**golden(kind)["body"], **damage})


@pytest.mark.parametrize("kind", EVENTS)
def test_a_field_of_a_newer_writer_breaks_no_schema(kind: str) -> None:
    """At any depth: a compatible change is an optional field."""
    event = copy.deepcopy(golden(kind)["body"])
    parts = [event, event["data"], *(one for one in event["data"].values() if isinstance(one, dict))]
    for part in parts:
        part["invented_later"] = 1
    validator(schemas.event_schema(kind)).validate(event)


@pytest.mark.parametrize("kind", EVENTS)
def test_the_examples_of_the_asyncapi_document_are_the_golden_events(kind: str) -> None:
    """Valid against the schema that stands beside them, whose references lead somewhere."""
    document = asyncapi.document("1")
    message = next(one for one in document["components"]["messages"].values() if one["name"] == kind)
    (example,) = message["examples"]
    expected = golden(kind)
    assert (example["payload"], example["headers"]) == (expected["body"], expected["headers"])
    validator({**message["payload"], "components": document["components"]}).validate(example["payload"])
    validator(message["headers"]).validate(example["headers"])


@pytest.mark.parametrize("kind", EVENTS)
def test_a_routing_key_is_an_address_of_the_document(kind: str) -> None:
    """Word by word, so that the bindings of the documentation match."""
    channel = next(one for one in asyncapi.CHANNELS if one.kind == kind)
    pattern, key = channel.address.split("."), examples()[kind].routing_key.split(".")
    assert len(pattern) == len(key)
    assert all(want == have or want.startswith("{") for want, have in zip(pattern, key, strict=True))


def test_the_document_names_the_exchange_of_the_topology() -> None:
    assert topology.TICKETS == asyncapi.EXCHANGE
    assert topology.Exchange(asyncapi.EXCHANGE, "topic") in topology.EXCHANGES


def test_no_word_of_a_routing_key_holds_a_dot() -> None:
    """It would be two words."""
    assert not [one for one in (*Reason, *Module) if "." in one.value]


def test_the_printed_document_reads_back_as_the_same() -> None:
    document = asyncapi.document("1")
    assert yaml.safe_load(as_yaml(document)) == document


if __name__ == "__main__":
    PAGES.mkdir(exist_ok=True)
    for name, content in schema_files().items():
        (PAGES / name).write_text(json.dumps(content, indent=2) + "\n")
    (PAGES / "asyncapi.yaml").write_text(as_yaml(asyncapi.document(version("mail-automator"))))
