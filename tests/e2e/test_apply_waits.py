"""`apply --wait`, with a real fetcher and a real mail server."""

import json

import pytest

from tests.support.canary import secret
from tests.support.pipeline import pipeline

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120)]

USERS = {"ann": secret("correct horse"), "bob": secret("battery staple")}


def documents(running, **passwords: str) -> str:
    """A mailbox for each user, written to a file; returns its path."""
    text = "---\n".join(
        f"""apiVersion: mail-automator/v1
kind: Mailbox
metadata: {{name: {user}}}
spec:
  module: ticket
  enabled: {"false" if password == "-" else "true"}
  email: {user}@example.com
  imap: {{host: localhost, port: {running.dovecot.tls_port}, caFile: "{running.dovecot.ca_file}"}}
  auth: {{type: basic, username: {user}, password: {password}}}
  acknowledgements: {{enabled: false}}
"""
        for user, password in passwords.items()
    )
    file = running.folder / "boxes.yaml"
    file.write_text(text)
    return str(file)


async def test_apply_waits_until_each_mailbox_connected_or_failed_with_its_reason(tmp_path, rabbitmq_url: str) -> None:
    async with pipeline(tmp_path, USERS, services={"fetcher": 1}, broker_url=rabbitmq_url) as running:
        file = documents(running, ann=USERS["ann"], bob=secret("wrong"), carl="-")
        code, out, errors = await running.command("apply", "-f", file, "--wait", "--wait-seconds", "30")
        assert (code, "mailbox ann connected" in out, "mailbox carl" in errors) == (1, True, False)
        assert [line for line in errors.splitlines() if line.startswith("error: mailbox bob does not work: ")], errors

        code, out, errors = await running.command("apply", "-f", file, "--wait", "-o", "json")
        assert (code, json.loads(out)["changed"]) == (1, False), "what is known of unchanged mailboxes is enough"

        file = documents(running, ann=USERS["ann"], bob=USERS["bob"])
        code, out, errors = await running.command("apply", "-f", file, "--wait", "-o", "json")
        assert (code, json.loads(out)["waited"]) == (0, {"ann": "", "bob": ""}), errors


async def test_apply_that_nobody_fetches_for_says_so_after_its_time(tmp_path, rabbitmq_url: str) -> None:
    async with pipeline(tmp_path, USERS, services={}, broker_url=rabbitmq_url) as running:
        file = documents(running, ann=USERS["ann"])
        code, _, errors = await running.command("apply", "-f", file, "--wait", "--wait-seconds", "1")
    assert code == 1
    assert "error: mailbox ann does not work: no fetcher took it within 1 s: is one running?" in errors
