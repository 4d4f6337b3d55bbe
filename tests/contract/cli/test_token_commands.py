"""`token create|list|revoke`, and that changes by command line are in the audit log."""

import json

import pytest

from tests.support.canary import secret

YAML = """
apiVersion: mail-automator/v1
kind: Mailbox
metadata: {name: support}
spec:
  module: ticket
  email: support@example.com
  imap: {host: imap.example.com}
  auth: {type: basic, password: PASSWORD}
  acknowledgements: {enabled: false}
""".replace("PASSWORD", secret("cli"))


@pytest.fixture
def ready(cli):
    cli.store(lambda store: store.ping())
    return cli


def audit(cli) -> list:
    return list(reversed(cli.store(lambda store: store.audit.page(limit=50))))


def test_a_token_is_printed_once_opens_and_no_longer_after_it_is_revoked(ready) -> None:
    text = ready("token", "create", "ci", "--role", "editor", "--days", "3").out.strip()
    holder = ready.store(lambda store: store.api_tokens.holder(text))
    assert (holder.name, holder.role.value) == ("ci", "editor")
    listed = ready.here("token", "list", "-o", "json")
    assert text not in listed.out
    (one,) = json.loads(listed.out)
    assert ready.here("token", "revoke", one["token_id"]).code == 0
    assert ready.store(lambda store: store.api_tokens.holder(text)) is None
    assert ready.here("token", "revoke", one["token_id"]).code == 3
    assert [(found.action, found.kind) for found in audit(ready)] == [("create", "ApiToken"), ("revoke", "ApiToken")]
    assert text[-32:] not in str(audit(ready)), "the end of the secret, which may hold any letter"


def test_changes_by_command_line_are_in_the_audit_log_without_secrets(ready) -> None:
    path = ready.file(YAML)
    assert ready.here("apply", "-f", path).code == 0
    assert ready.here("apply", "-f", path).code == 0
    for word in ("pause", "resume"):
        assert ready.here("mailbox", word, "support").code == 0
    assert ready.here("mailbox", "delete", "support", "--yes", "--force").code == 0
    log = audit(ready)
    assert [one.action for one in log] == ["create", "pause", "resume", "delete"]
    assert log[0].secrets == {"auth.password": "changed"}
    assert all(one.who.startswith("cli ") for one in log)
    assert secret("cli") not in str(log)
