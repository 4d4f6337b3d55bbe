"""`config schema` is a JSON Schema that editors take, and every example that we show validates against it."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
import yaml

from services.all_in_one.demo.preparation import prepare
from services.console.configuration.documents import KINDS, parse
from services.console.configuration.schema import json_schema
from services.console.configuration.source import parse as read_yaml

ROOT = Path(__file__).parents[3]
HEAD = {"apiVersion": "mail-automator/v1"}
VALIDATOR = jsonschema_rs.Draft202012Validator(json_schema())


def examples() -> Iterator[Any]:
    """Every whole document in a YAML block of a page."""
    for page in (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))):
        for number, text in enumerate(re.findall(r"^```yaml\n(.*?)^```", page.read_text(), re.M | re.S), 1):
            if "apiVersion: mail-automator/" in text:
                yield pytest.param(text, id=f"{page.name}-{number}")


def as_json(document: object) -> Any:
    """What an editor's schema check sees: dates are text."""
    return json.loads(json.dumps(document, default=str))


def test_it_is_a_schema_of_the_version_that_it_names() -> None:
    assert jsonschema_rs.meta.is_valid(json_schema())
    assert json_schema()["$schema"].endswith("2020-12/schema")
    assert len(list(examples())) >= 2


@pytest.mark.parametrize("text", list(examples()))
def test_every_example_in_our_pages_validates_and_is_a_document(text: str) -> None:
    assert problems(text) == []
    assert parse(read_yaml(text, "page")).kinds


def test_what_the_demo_applies_validates(tmp_path: Path) -> None:
    """Every kind, and most fields."""
    files = sorted(prepare(tmp_path).write_configuration().glob("*.yaml"))
    assert len(files) >= 4
    for file in files:
        assert problems(file.read_text()) == [], file.name


def problems(text: str) -> list[str]:
    """What the schema finds wrong in the documents of a text."""
    return [one.message for document in yaml.safe_load_all(text) for one in VALIDATOR.iter_errors(as_json(document))]


SMALLEST: dict[str, dict[str, Any]] = {
    "Department": {},
    "Service": {},
    "Process": {},
    "Mailbox": {
        "module": "ticket",
        "email": "a@example.com",
        "imap": {"host": "imap.example.com"},
        "auth": {"type": "basic", "passwordFrom": {"file": "/run/x"}},
        "acknowledgements": {"enabled": False},
    },
}


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_is_taken_and_what_is_wrong_in_it_is_found(kind: str) -> None:
    right = {**HEAD, "kind": kind, "metadata": {"name": "one", "labels": {"team": "a"}}, "spec": SMALLEST[kind]}
    assert VALIDATOR.is_valid(right)
    wrong = (
        {**right, "spec": {**right["spec"], "nonsense": 1}},
        {**right, "metadata": {"name": "Not A Slug"}},
        {**right, "metadata": {}},
        {**right, "kind": "Mailbocks"},
        {**right, "apiVersion": "v2"},
        {**right, "more": 1},
        {key: value for key, value in right.items() if key != "metadata"},
    )
    assert [one for one in wrong if VALIDATOR.is_valid(one)] == []


def test_each_way_to_sign_in_has_its_own_fields() -> None:
    def box(auth: dict[str, Any]) -> dict[str, Any]:
        return {**HEAD, "kind": "Mailbox", "metadata": {"name": "one"}, "spec": {**SMALLEST["Mailbox"], "auth": auth}}

    oauth = {"type": "oauth2_microsoft", "clientId": "c", "tenantId": "t", "clientSecretFrom": {"env": "X"}}
    assert VALIDATOR.is_valid(box(oauth))
    assert VALIDATOR.is_valid(box({"type": "exchange", "domainUser": "D\\u", "passwordFrom": {"env": "X"}}))
    for wrong in ({**oauth, "username": "u"}, {"type": "exchange", "clientId": "c"}, {"type": "magic"}):
        assert not VALIDATOR.is_valid(box(wrong)), wrong
