"""YAML documents: each mistake is one line that says where it is and what to do, and never quotes a secret."""

import pytest

from services.console.configuration import documents, source
from services.console.configuration.problems import ConfigurationProblems
from shared.domain.errors import ConfigurationError
from tests.support.canary import WORD

HEAD = "apiVersion: mail-automator/v1\nkind: Mailbox\nmetadata: {name: support}\nspec:\n"
GOOD = """\
  module: ticket
  email: support@example.com
  imap: {host: imap.example.com}
  acknowledgements: {enabled: false}
  auth: {type: basic, passwordFrom: {env: SUPPORT_PASSWORD}}
"""


def parse(text: str) -> documents.Documents:
    return documents.parse(source.parse(text, "boxes.yaml"))


def lines(text: str) -> list[str]:
    with pytest.raises(ConfigurationError) as caught:
        parse(text)
    error = caught.value
    return [one.line() for one in (error.problems if isinstance(error, ConfigurationProblems) else [error])]


def only(text: str) -> str:
    (line,) = lines(text)
    return line


def test_a_good_document_becomes_the_domain_value():
    (mailbox,) = parse(HEAD + GOOD).mailboxes
    assert (mailbox.name, mailbox.spec.email, mailbox.spec.imap.port) == ("support", "support@example.com", 993)


def test_an_unknown_field_names_file_line_document_path_and_the_field_that_was_meant():
    line = only(HEAD + GOOD.replace("{host: imap.example.com}", "{host: imap.example.com, prot: 993}"))
    assert line == (
        'unknown field "prot" (boxes.yaml:7, document 1, Mailbox support, spec.imap.prot) -> did you mean "port"?'
    )


def test_a_field_in_the_wrong_place_is_answered_with_its_place():
    assert only(HEAD + GOOD + "  onlyIfInTo: true\n").endswith('did you mean "spec.domains.onlyIfInTo"?')


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("{host: imap.example.com}", "{host: h.example, port: abc}", '"port" must be a whole number'),
        ("{host: imap.example.com}", "{host: h.example, port: 70000}", '"port" should be less than or equal to 65535'),
        ("{host: imap.example.com}", "{host: h.example, startFrom: soon}", "write now, all, or a date"),
        ("{host: imap.example.com}", "[a]", '"imap" must be a mapping'),
        ("module: ticket", "module: tickt", "write 'ticket' or 'request'"),
        ("module: ticket", "enabled: true", 'field "module" is missing'),
        ("type: basic", "type: bsic", "'basic', 'oauth2_microsoft', 'exchange'"),
        ("type: basic, ", "", 'field "type" is missing in "auth"'),
        ("{enabled: false}", "{enabled: perhaps}", '"enabled" must be true or false'),
        ("passwordFrom: {env: SUPPORT_PASSWORD}", "password: 123", '"password" must be text'),
    ],
)
def test_a_wrong_value_says_what_is_expected(old: str, new: str, told: str):
    assert told in only(HEAD + GOOD.replace(old, new))


def test_a_missing_secret_says_how_to_give_one():
    line = only(HEAD + GOOD.replace(", passwordFrom: {env: SUPPORT_PASSWORD}", ""))
    assert "secret password is missing" in line
    assert "add passwordFrom: {file: /path} or {env: NAME}" in line


def test_a_secret_that_is_given_twice_is_refused():
    assert "both given" in only(HEAD + GOOD.replace("type: basic", f"type: basic, password: {WORD}"))


def test_an_inline_secret_works_with_a_warning_that_does_not_show_it():
    found = parse(HEAD + GOOD.replace("passwordFrom: {env: SUPPORT_PASSWORD}", f"password: {WORD}"))
    (warning,) = found.warnings
    assert "spec.auth.password" in warning
    assert WORD not in warning + repr(found)


def test_no_error_shows_a_secret_even_when_the_field_beside_it_is_wrong():
    text = HEAD + GOOD.replace("passwordFrom: {env: SUPPORT_PASSWORD}", f"passwort: {WORD}, password: [{WORD}]")
    assert WORD not in " ".join(lines(text))


def test_every_problem_of_every_document_is_said_at_once():
    broken = HEAD + GOOD.replace("ticket", "tickt").replace("support@example.com", "nobody")
    assert len(lines(f"{broken}---\napiVersion: mail-automator/v1\nkind: Mailbx\nmetadata: {{name: x}}\n")) == 3


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("kind: Mailbox\n", "add apiVersion: mail-automator/v1"),
        ("apiVersion: mail-automator/v2\n", "write mail-automator/v1"),
        ("apiVersion: mail-automator/v1\n", "add one of Department, Service, Process, Mailbox"),
        ("apiVersion: mail-automator/v1\nkind: Servce\n", 'did you mean "Service"?'),
        ("- a\n", "document is not a mapping"),
        ("apiVersion: mail-automator/v1\nkind: Service\nmetadata: {name: Bad_Name}\n", "lower-case letters"),
        ("apiVersion: mail-automator/v1\nkind: Service\nmetadata: {nam: x}\n", 'did you mean "name"?'),
        ("apiVersion: mail-automator/v1\nkind: Service\nmetadata: {name: x}\nspec: {name: y}\n", "metadata.name"),
        ("a: 1\na: 2\n", 'field "a" is written twice'),
        ("a: [1\n", "boxes.yaml:2:1"),
    ],
)
def test_a_document_that_is_none_of_ours_says_what_to_write(text: str, told: str):
    assert any(told in line for line in lines(text))


def test_two_documents_of_one_name_are_refused_and_the_first_is_named():
    line = only(f"{HEAD}{GOOD}---\n{HEAD}{GOOD}")
    assert "given twice" in line
    assert "document 1" in line.partition("->")[2]


def test_files_and_directories_and_standard_input_are_read_in_order(tmp_path):
    (tmp_path / "b.yaml").write_text(HEAD + GOOD)
    (tmp_path / "a.yml").write_text("apiVersion: mail-automator/v1\nkind: Service\nmetadata: {name: hr}\n")
    (tmp_path / "notes.txt").write_text("not YAML: [")
    stdin = ["apiVersion: mail-automator/v1\n", "kind: Department\n", "metadata: {name: it}\n"]
    found = source.read([str(tmp_path), "-"], stdin)
    assert [one.content["kind"] for one in found] == ["Service", "Mailbox", "Department"]


@pytest.mark.parametrize("name", ["absent.yaml", "empty"])
def test_a_path_without_documents_is_an_error(tmp_path, name: str):
    (tmp_path / "empty").mkdir()
    with pytest.raises(ConfigurationProblems, match=name):
        source.read([str(tmp_path / name)], [])


def test_binary_rubbish_is_one_line(tmp_path):
    (tmp_path / "x.yaml").write_bytes(b"\xff\xfe\x00\x80")
    with pytest.raises(ConfigurationProblems, match="UTF-8"):
        source.read([str(tmp_path / "x.yaml")], [])
