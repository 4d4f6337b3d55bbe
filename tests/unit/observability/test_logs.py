"""Secrets and addresses stay out of logs."""

import json
import logging
import os
from contextlib import suppress

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


def test_a_line_of_ours_and_one_of_a_library_have_the_same_fields(capsys: pytest.CaptureFixture[str]) -> None:
    """They are written in two ways, and read in one."""
    logs.configure("test", "json", "INFO")
    try:
        structlog.get_logger("ours").warning("away", api_token=WORD, line="one\ntwo")
        logging.getLogger("library").warning("one\ntwo")
        ours, library = map(json.loads, capsys.readouterr().out.strip().splitlines())
    finally:
        logging.getLogger().handlers = []
        structlog.reset_defaults()
        structlog.contextvars.clear_contextvars()
    assert (ours["api_token"], ours["line"]) == (REDACTED, library["event"])
    assert {key: ours[key] for key in ("service", "level")} == {key: library[key] for key in ("service", "level")}
    assert len(ours["timestamp"]) == len(library["timestamp"])


def test_a_line_that_cannot_be_written_stops_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever read standard output may be gone; and a value may be no Unicode."""
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w") as broken:
        monkeypatch.setattr("sys.stdout", broken)
        logs.configure("test", "json", "INFO")
        try:
            structlog.get_logger("ours").warning("nobody reads this")
        finally:
            logging.getLogger().handlers = []
            structlog.reset_defaults()
            structlog.contextvars.clear_contextvars()
            with suppress(BrokenPipeError):
                broken.close()


def test_a_value_that_is_no_unicode_is_written_as_escapes(capsys: pytest.CaptureFixture[str]) -> None:
    """File names of other systems are like that."""
    logs.configure("test", "json", "INFO")
    try:
        structlog.get_logger("ours").warning("odd", name="a\udcffb")
        assert json.loads(capsys.readouterr().out)["name"] == "a\udcffb"
    finally:
        logging.getLogger().handlers = []
        structlog.reset_defaults()
        structlog.contextvars.clear_contextvars()


def test_what_is_below_the_level_is_not_written(capsys: pytest.CaptureFixture[str]) -> None:
    """Ours and theirs alike."""
    logs.configure("test", "json", "WARNING")
    try:
        structlog.get_logger("ours").info("nothing")
        logging.getLogger("library").info("nothing")
        assert capsys.readouterr().out == ""
    finally:
        logging.getLogger().handlers = []
        structlog.reset_defaults()
        structlog.contextvars.clear_contextvars()


def test_talkative_drivers_are_held_at_warning() -> None:
    """aioimaplib logs every byte, tokens included, at DEBUG."""
    logs.configure("test", "json", "DEBUG")
    try:
        assert logging.getLogger("aioimaplib").level >= logging.WARNING
    finally:
        logging.getLogger().handlers = []
        structlog.reset_defaults()
        structlog.contextvars.clear_contextvars()
