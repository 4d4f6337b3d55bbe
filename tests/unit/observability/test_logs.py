"""Secrets and addresses stay out of logs."""

import json
import logging

import pytest
import structlog

from shared.observability import logs
from shared.observability.redaction import REDACTED, redact, redact_event
from tests.support.canary import WORD


def test_an_address_keeps_its_domain_and_first_letter() -> None:
    """Enough to recognise, too little to leak."""
    assert redact("alice@example.org") == "a***@example.org"
    assert redact("no address") == "***"


def test_values_under_secret_names_are_blanked() -> None:
    """The last lock."""
    event = {"event": "x", "password": WORD, "client_secret": "s", "accessToken": "t", "mailbox": "support"}
    assert redact_event(None, "info", event) == {
        "event": "x",
        "password": REDACTED,
        "client_secret": REDACTED,
        "accessToken": REDACTED,
        "mailbox": "support",
    }


def test_a_logged_traceback_holds_no_local_variables(capsys: pytest.CaptureFixture[str]) -> None:
    """Frame locals would print passwords."""
    logs.configure("test", "json", "INFO")
    try:
        canary = WORD
        try:
            raise ValueError(len(canary))
        except ValueError:
            structlog.get_logger("test").exception("went_wrong")
        line = capsys.readouterr().out.strip().splitlines()[-1]
    finally:
        logging.getLogger().handlers = []
        structlog.reset_defaults()
        structlog.contextvars.clear_contextvars()
    assert WORD not in line
    record = json.loads(line)
    assert (record["event"], record["level"], record["service"]) == ("went_wrong", "error", "test")
    assert record["exception"][0]["exc_type"] == "ValueError"


def test_talkative_drivers_are_held_at_warning() -> None:
    """aioimaplib logs every byte, tokens included, at DEBUG."""
    logs.configure("test", "json", "DEBUG")
    try:
        assert logging.getLogger("aioimaplib").level >= logging.WARNING
    finally:
        logging.getLogger().handlers = []
        structlog.reset_defaults()
        structlog.contextvars.clear_contextvars()
