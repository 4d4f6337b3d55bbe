"""`apply`, `diff`, `export`, `mailbox`: the real command against a real store."""

import json

import pytest
import yaml

from tests.support.canary import secret

PASSWORD, OTHER = secret("one"), secret("two")
CATALOGUE = """\
apiVersion: mail-automator/v1
kind: Department
metadata: {name: it}
---
apiVersion: mail-automator/v1
kind: Service
metadata: {name: hr}
spec: {keywords: [payroll], department: it}
"""
MAILBOX = """\
apiVersion: mail-automator/v1
kind: Mailbox
metadata: {name: support}
spec:
  module: ticket
  email: support@example.com
  imap: {host: imap.example.com}
  acknowledgements: {enabled: false}
  auth: {type: basic, password: hunter2}
  domains: {defaultService: hr}
""".replace("hunter2", PASSWORD)
ALL = f"{CATALOGUE}---\n{MAILBOX}"


def test_apply_creates_then_finds_nothing_to_do_and_never_shows_the_secret(cli):
    file = cli.file(ALL)
    first = cli("apply", "-f", file, "--diff", "--detailed-exitcode")
    second = cli("apply", "-f", file, "--detailed-exitcode")
    assert (first.code, second.code) == (2, 0)
    assert "3 to create" in first.out
    assert "3 unchanged" in second.out
    assert first.errors[0].startswith("warning: a secret stands in the file")
    assert PASSWORD not in first.out + second.out + "".join(first.errors)
    mailbox = cli.store(lambda store: store.mailboxes.get("support"))
    assert (mailbox.revision, mailbox.managed_by) == (1, "apply")
    secret = cli.store(lambda store: store.secrets.reveal(mailbox, "auth.password"))
    assert secret.get_secret_value() == PASSWORD


def test_export_applied_again_changes_nothing(cli):
    assert cli.here("apply", "-f", "-", stdin=ALL).code == 0
    exported = cli("export")
    assert PASSWORD not in exported.out
    assert [one["kind"] for one in yaml.safe_load_all(exported.out)] == ["Department", "Service", "Mailbox"]
    again = cli.here("apply", "-f", "-", "--prune", "--detailed-exitcode", stdin=exported.out)
    assert (again.code, again.errors) == (0, [])


def test_diff_and_dry_run_show_a_change_and_write_nothing(cli):
    cli("apply", "-f", "-", stdin=ALL)
    changed = ALL.replace("payroll", "salary").replace("module: ticket", "module: request")
    diff = cli("diff", "-f", "-", "--detailed-exitcode", stdin=changed)
    assert diff.code == 2
    assert "-  - payroll\n+  - salary\n" in diff.out
    assert "-  module: ticket\n+  module: request\n" in diff.out
    dry = cli("apply", "-f", "-", "--dry-run", "--output", "json", stdin=changed)
    assert {one["name"]: one["action"] for one in json.loads(dry.out)["changes"]} == {
        "it": "unchanged",
        "hr": "update",
        "support": "update",
    }
    assert cli("diff", "-f", "-", "--detailed-exitcode", stdin=ALL).code == 0


def test_a_changed_password_alone_is_applied(cli):
    cli.here("apply", "-f", "-", stdin=ALL)
    assert cli.here("apply", "-f", "-", "--detailed-exitcode", stdin=ALL.replace(PASSWORD, OTHER)).code == 2
    mailbox = cli.store(lambda store: store.mailboxes.get("support"))
    secret = cli.store(lambda store: store.secrets.reveal(mailbox, "auth.password"))
    assert (mailbox.revision, secret.get_secret_value()) == (2, OTHER)


def test_prune_deletes_what_is_no_longer_written(cli):
    cli.here("apply", "-f", "-", stdin=f"{ALL}---\n{MAILBOX.replace('{name: support}', '{name: old}')}")
    pruned = cli.here("apply", "-f", "-", "--prune", stdin=ALL)
    assert "1 to delete" in pruned.out
    assert [one.name for one in cli.store(lambda store: store.mailboxes.all())] == ["support"]


def labelled(name: str, team: str) -> str:
    return MAILBOX.replace("{name: support}", f"{{name: {name}, labels: {{team: {team}, site: berlin}}}}")


def names(cli) -> list[str]:
    return [one.name for one in cli.store(lambda store: store.mailboxes.all())]


def test_with_a_selector_only_what_carries_the_labels_is_applied_and_pruned(cli):
    both = "---\n".join([labelled("help", "helpdesk"), labelled("help-old", "helpdesk"), labelled("wages", "hr")])
    assert cli.here("apply", "-f", "-", stdin=f"{CATALOGUE}---\n{both}").code == 0
    mine = "---\n".join([labelled("help", "helpdesk").replace("ticket", "request"), labelled("pay", "hr")])
    dry = cli.here("diff", "-f", "-", "--prune", "--selector", "team=helpdesk", "-o", "json", stdin=mine)
    assert [(one["action"], one["name"]) for one in json.loads(dry.out)["changes"]] == [
        ("update", "help"),
        ("delete", "help-old"),
    ]
    done = cli("apply", "-f", "-", "--prune", "--selector", "team=helpdesk,site=berlin", stdin=mine)
    assert "1 to update, 1 to delete" in done.out
    assert names(cli) == ["help", "wages"], "the other team's are neither made nor deleted"
    assert cli.store(lambda store: store.catalogue.load()).services[0].name == "hr", "nothing of the catalogue goes"


def test_a_selector_that_selects_nothing_is_said_and_deletes_nothing(cli):
    cli.here("apply", "-f", "-", stdin=f"{CATALOGUE}---\n{labelled('help', 'helpdesk')}")
    answer = cli.here("apply", "-f", "-", "--prune", "-l", "team=helpdeks", stdin=labelled("help", "helpdesk"))
    assert "warning: no document carries the labels of --selector -> check its spelling" in answer.errors
    assert (answer.code, names(cli)) == (0, ["help"])
    wrong = cli.here("apply", "-f", "-", "--selector", "helpdesk", stdin=ALL)
    assert wrong.errors[-1] == 'error: "helpdesk" selects nothing (--selector) -> write key=value, each key once'
    assert (wrong.code, names(cli)) == (1, ["help"])


@pytest.mark.parametrize("gone", ["Service", "Department"])
def test_what_a_stored_mailbox_names_cannot_be_pruned_from_the_catalogue(cli, gone: str):
    """The other direction: the document is fine by itself, the store is what it would break."""
    cli.here("apply", "-f", "-", stdin=ALL)
    other = f"apiVersion: mail-automator/v1\nkind: {gone}\nmetadata: {{name: other}}\n"
    answer = cli.here("apply", "-f", "-", "--prune", stdin=other)
    told = {"Service": 'no Service is named "hr"', "Department": 'no Department is named "it"'}[gone]
    assert (answer.code, answer.errors[0].startswith(f"error: {told} (the store, ")) == (1, True)
    assert len(cli.store(lambda store: store.catalogue.load()).services) == 1


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("{host: imap.example.com}", "{host: h.example, prot: 1}", 'unknown field "prot"'),
        ("{host: imap.example.com}", "{host: h.example, port: x}", '"port" must be a whole number'),
        (f", password: {PASSWORD}", "", "secret password is missing"),
        ("defaultService: hr", "defaultService: hrr", 'no Service is named "hrr"'),
        ("defaultService: hr", "impactServices: [hr, hrr]", 'no Service is named "hrr"'),
        ("defaultService: hr", "department: itt", 'no Department is named "itt"'),
        ("department: it}", "department: itt}", 'no Department is named "itt"'),
    ],
)
def test_a_wrong_document_is_one_line_and_nothing_is_written(cli, old: str, new: str, told: str):
    file = cli.file(ALL.replace(old, new), "boxes.yaml")
    answer = cli.here("apply", "-f", file)
    (line,) = (one for one in answer.errors if not one.startswith("warning: "))
    assert (answer.code, answer.out) == (1, "")
    assert line.startswith(f"error: {told} ({file}:")
    assert " -> " in line
    assert cli.store(lambda store: store.mailboxes.all()) == ()


def test_without_a_key_file_a_secret_is_refused_in_one_line(cli):
    answer = cli.here("apply", "-f", "-", stdin=ALL, MAIL_AUTOMATOR_STORE_KEY_FILE="/nowhere/key")
    assert answer.code == 1
    assert "/nowhere/key" in answer.errors[-1]
    assert answer.errors[-1].startswith("error: ")
    assert cli.store(lambda store: store.catalogue.load()).revision == 0


def test_a_mailbox_is_paused_resumed_shown_and_deleted(cli):
    cli.here("apply", "-f", "-", stdin=ALL)
    assert cli("mailbox", "pause", "support").out == "mailbox support paused\n"
    assert json.loads(cli.here("mailbox", "list", "-o", "json").out)[0]["status"] == "paused"
    assert cli.here("mailbox", "resume", "support").code == 0
    shown = json.loads(cli.here("mailbox", "show", "support", "-o", "json").out)
    assert (shown["status"], shown["document"]["spec"]["imap"]) == ("never_connected", {"host": "imap.example.com"})
    nothing = cli.here("mailbox", "accept-reappearance", "support")
    assert nothing.code == 1
    assert nothing.errors[0].startswith("error: no mails wait for a person in mailbox support")
    refused = cli.here("mailbox", "delete", "support", "--force")
    assert (refused.code, refused.errors[0].endswith("-> add --yes")) == (1, True)
    assert cli.store(lambda store: store.mailboxes.get("support")) is not None


def test_a_mailbox_is_asked_to_be_read_at_once_and_shown_with_that(cli):
    cli.here("apply", "-f", "-", stdin=ALL)
    asked = cli("mailbox", "poll", "support")
    assert (asked.code, asked.out.startswith("mailbox support: asked 0 s ago by cli ")) == (0, True)
    again = json.loads(cli.here("mailbox", "poll", "support", "-o", "json").out)
    assert (again["name"], again["ended_at"], again["failure"]) == ("support", None, "")
    shown = json.loads(cli.here("mailbox", "show", "support", "-o", "json").out)
    assert shown["read_on_request"].startswith("asked ")
    actions = cli.store(lambda store: store.audit.page(kind="Mailbox", name="support"))
    assert [one.action for one in actions] == ["poll", "create"]
    cli.here("mailbox", "pause", "support")
    refused = cli.here("mailbox", "poll", "support")
    assert (refused.code, refused.errors) == (
        1,
        ["error: mailbox support is paused, so nobody reads it -> resume it: mail-automator mailbox resume support"],
    )


def test_what_git_manages_is_paused_freely_and_deleted_only_by_force(cli):
    cli.here("apply", "-f", "-", stdin=ALL)
    assert cli.here("mailbox", "pause", "support").code == 0
    refused = cli("mailbox", "delete", "support", "--yes")
    assert (refused.code, refused.errors) == (
        1,
        [
            "error: mailbox support is managed by `apply` (mailbox delete) -> "
            "take its document away and apply with --prune, or add --force"
        ],
    )
    assert cli.store(lambda store: store.mailboxes.get("support")).paused
    assert cli.here("mailbox", "delete", "support", "--yes", "--force").code == 0
    assert cli.here("mailbox", "show", "support").code == 3


def test_an_unknown_mailbox_is_not_found_and_the_closest_is_named(cli):
    cli.here("apply", "-f", "-", stdin=ALL)
    answer = cli.here("mailbox", "pause", "suport")
    assert (answer.code, answer.errors) == (3, ['error: there is no mailbox suport -> did you mean "support"?'])


def test_an_unreachable_store_is_one_line_without_credentials(cli):
    answer = cli(
        "audit", MAIL_AUTOMATOR_STORE_URL="mongodb://u:topsecret@127.0.0.1:1", MAIL_AUTOMATOR_STORE_TIMEOUT_SECONDS="1"
    )
    (line,) = answer.errors
    assert (answer.code, answer.out) == (1, "")
    assert line.startswith("error: the store did not answer within 1 s (127.0.0.1:1) -> ")
    assert "topsecret" not in line


def test_store_init_makes_what_store_check_asks_for(cli):
    before = cli("store", "check")
    assert before.code == 1
    assert "mail-automator store init" in before.errors[0]
    assert cli.here("store", "init").code == 0
    assert cli.here("store", "check").code == 0


def test_a_misspelt_setting_is_named(cli):
    answer = cli.here("audit", MAIL_AUTOMATOR_STORE_URI="x")
    assert answer.code == 1
    assert "MAIL_AUTOMATOR_STORE_URI is not a setting (did you mean MAIL_AUTOMATOR_STORE_URL?)" in answer.errors[0]


def test_data_leads_to_the_system_that_wrote_its_endpoints(cli):
    url = cli.settings.url.get_secret_value()
    ends = {
        "store_url": url,
        "store_database": cli.settings.database,
        "broker_url": "amqp://x",
        "key_file": "k",
        "pid": 1,
    }
    cli.file(json.dumps(ends), "endpoints.json")
    nowhere = {"MAIL_AUTOMATOR_STORE_URL": "mongodb://127.0.0.1:1"}
    assert cli("mailbox", "list", "--data", str(cli.home), **nowhere).code == 0
    missing = cli("mailbox", "list", "--data", str(cli.home / "none"))
    assert missing.code == 1
    assert "endpoints.json" in missing.errors[0]


def test_a_service_is_run_by_its_name_with_its_own_arguments(cli):
    answer = cli("all-in-one", "--help")
    assert answer.code == 0
    assert answer.out.startswith("usage: mail-automator all-in-one")


def test_the_schema_knows_every_kind_and_the_version_is_printed(cli):
    schema = json.loads(cli.here("config", "schema").out)
    assert {one["$ref"].rpartition("/")[2] for one in schema["oneOf"]} == {
        "DepartmentDocument",
        "ServiceDocument",
        "ProcessDocument",
        "MailboxDocument",
    }
    assert "onlyIfInTo" in schema["$defs"]["Domains"]["properties"]
    assert cli.here("version").out.startswith("mail-automator ")
