"""The reference of the documents: made from the models, complete, and the page in docs is that text."""

import json
from pathlib import Path

import pytest

from services.console.configuration import meanings
from services.console.configuration.reference import markdown, rows
from services.console.configuration.schema import json_schema
from shared.domain.catalogue import Department, Process, Service
from shared.domain.mailbox import MailboxSpec, SecretSource

PAGE = Path(__file__).parents[3] / "docs" / "mailbox-yaml.md"


@pytest.mark.parametrize(
    ("model", "table"),
    [
        (MailboxSpec, meanings.MAILBOX),
        (SecretSource, meanings.SOURCE),
        (Department, meanings.DEPARTMENT),
        (Service, meanings.SERVICE),
        (Process, meanings.PROCESS),
    ],
)
def test_every_field_has_its_meaning_and_every_meaning_its_field(model, table):
    assert {row.path for row in rows(model)} == set(table)


def test_the_page_in_docs_is_what_the_command_prints():
    assert PAGE.read_text() == markdown(), "run: mail-automator config reference > docs/mailbox-yaml.md"


def test_the_page_shows_defaults_values_and_what_is_mandatory():
    page = markdown()
    assert "| `imap.port` | number | `993` |" in page
    assert "| `module` | `ticket` \\| `request` | **mandatory** |" in page


def test_the_schema_refuses_what_the_models_refuse():
    schema = json_schema()
    assert schema["$defs"]["MailboxSpec"]["additionalProperties"] is False
    assert set(schema["$defs"]["MailboxSpec"]["required"]) == {"module", "email", "imap"}
    references = {one.split('"')[0] for one in json.dumps(schema).split("#/$defs/")[1:]}
    assert references <= set(schema["$defs"])
