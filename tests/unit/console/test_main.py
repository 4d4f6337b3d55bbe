"""The command line itself: what it refuses, in one line, with its exit code."""

import pytest

from services.console.cli.main import main


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("nonsense",), "No such command"),
        (("apply",), "Missing option"),
        (("trace",), "Missing argument"),
        (("mailbox", "list", "--colour"), "No such option"),
        (("audit", "--output", "xml"), "xml"),
        (("quarantine", "replay"), "name mails, or give --all"),
    ],
)
def test_a_wrong_command_line_is_one_line_and_exit_2(capsys, arguments: tuple[str, ...], told: str):
    code = main(arguments)
    shown = capsys.readouterr()
    (line,) = shown.err.splitlines()
    assert (code, shown.out) == (2, "")
    assert line.startswith("error: ")
    assert told in line
    assert "--help" in line


def test_a_group_without_a_command_shows_its_help(capsys):
    assert main(["mailbox"]) == 2
    assert "pause" in capsys.readouterr().err


def test_the_help_names_every_command_and_the_exit_codes(capsys):
    assert main(["--help"]) == 0
    shown = capsys.readouterr().out
    for name in ("apply", "trace", "audit", "simulate", "mailbox", "ticket-writer", "all-in-one", "demo"):
        assert f"\n  {name} " in shown
    assert "3 not found" in shown


def test_an_unforeseen_error_is_one_line_without_its_text(capsys, monkeypatch):
    def broken(*_: object) -> None:
        raise RuntimeError("holds a secret")

    monkeypatch.setattr("services.console.cli.main.installed_version", broken)
    code = main(["version"])
    (line,) = capsys.readouterr().err.splitlines()
    assert code == 1
    assert line.startswith("error: internal error RuntimeError (test_main.py:")
    assert "holds a secret" not in line
