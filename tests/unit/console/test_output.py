"""What is printed: safe for a terminal whatever a mail says, and parseable for programs."""

import json

import pytest
import yaml

from services.console.cli.arguments import hoist
from services.console.cli.output import Format, Printer, plain

RUN = frozenset({"fetcher", "demo"})


@pytest.mark.parametrize("hostile", ["\x1b[2J", "\x9b31m", "a\r\nb", "\u202egnp.exe", "\x07", "\ud800"])
def test_text_from_a_mail_cannot_command_a_terminal(hostile: str, capsys):
    Printer().table("T", ("subject",), [[hostile]])
    Printer(Format.JSON).data({"subject": hostile})
    shown = capsys.readouterr().out
    assert not any(one in shown for one in "\x1b\x9b\r\u202e\x07\ud800")
    assert plain(hostile).isprintable()


def test_markup_in_a_subject_is_text(capsys):
    Printer().table("T", ("subject",), [["[red]fire[/red]"]])
    assert "[red]fire[/red]" in capsys.readouterr().out


@pytest.mark.parametrize(("how", "read"), [(Format.JSON, json.loads), (Format.YAML, yaml.safe_load)])
def test_records_for_programs_hold_every_field_and_an_empty_list_stays_a_list(how, read, capsys):
    Printer(how).records("T", ("a",), [{"a": "Grüße \x9b", "b": None}])
    assert read(capsys.readouterr().out) == [{"a": "Grüße \x9b", "b": None}]
    Printer(how).records("T", ("a",), [])
    assert read(capsys.readouterr().out) == []


def test_global_options_may_stand_behind_the_command():
    line = ["trace", "x", "--output", "json", "--data=/d", "-n", "3"]
    assert hoist(line, RUN) == ["--output", "json", "--data=/d", "trace", "x", "-n", "3"]


def test_what_follows_a_service_or_a_double_dash_stays_where_it_is():
    assert hoist(["demo", "--data", "/d"], RUN) == ["demo", "--data", "/d"]
    assert hoist(["--data", "/x", "demo", "--data", "/d"], RUN) == ["--data", "/x", "demo", "--data", "/d"]
    assert hoist(["trace", "--", "--output"], RUN) == ["trace", "--", "--output"]


def test_a_value_that_is_named_like_a_service_is_still_a_value():
    assert hoist(["trace", "fetcher", "-o", "json"], RUN) == ["-o", "json", "trace", "fetcher"]
