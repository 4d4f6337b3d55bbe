"""Old mail that is imported becomes tickets once, and nobody is answered: the whole pipeline with Dovecot and SMTP."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from shared.domain.ticket import AcknowledgementState as State
from tests.e2e.test_loops import Post
from tests.support.bad_certificates import make
from tests.support.fetching import eventually
from tests.support.mails import mail
from tests.support.pipeline import QUICK, Pipeline, pipeline
from tests.support.smtp import server_context, smtp_server

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]

NOW = datetime.now(UTC)
YESTERDAY = NOW - timedelta(days=1)
MAILBOX = """
apiVersion: mail-automator/v1
kind: Mailbox
metadata: {{name: support}}
spec:
  module: ticket
  email: support@example.com
  imap: {{host: localhost, port: {port}, caFile: "{ca}", startFrom: now}}
  auth: {{type: basic, username: support, passwordFrom: {{file: "{password}"}}}}
  acknowledgements: {{enabled: true, text: "{{{{number}}}}"}}
  smtp: {{host: localhost, port: {smtp}, caFile: "{smtp_ca}", username: relay, passwordFrom: {{file: "{relay}"}}}}
"""


def letter(number: int) -> bytes:
    return mail(sender=f"p{number}@people.example", subject=f"Letter {number}", text=f"Number {number}.\n")


async def shown(system: Pipeline, *command: str) -> dict:
    code, out, err = await system.command("-o", "json", "mailbox", *command)
    assert code == 0, out + err
    return json.loads(out)


async def test_old_mail_since_a_day_becomes_tickets_once_and_nobody_is_answered(
    tmp_path: Path, rabbitmq_url: str
) -> None:
    """Twenty of the thirty old mails are an hour old: young enough to be answered, were they new."""
    post, files = Post(), make(tmp_path / "tls")
    relay, password = tmp_path / "relay.password", tmp_path / "support.password"
    relay.write_text("open sesame")
    password.write_text("secret")
    context = server_context(files.certificate, files.key)
    quick = {**QUICK, "MAIL_AUTOMATOR_NOTIFIER_LOOK_SECONDS": "0.2"}
    async with (
        smtp_server(context, "relay", "open sesame", implicit=True, handler=post) as port,
        pipeline(tmp_path, {"support": "secret"}, environ=quick, broker_url=rabbitmq_url) as system,
    ):
        for number in range(30):
            received = NOW - (timedelta(minutes=30 + number) if number % 3 else timedelta(days=40))
            system.dovecot.deliver("support", letter(number), received=received)
        text = MAILBOX.format(
            port=system.dovecot.tls_port,
            ca=system.dovecot.ca_file,
            password=password,
            smtp=port,
            smtp_ca=files.ca_file,
            relay=relay,
        )
        (tmp_path / "support.yaml").write_text(text)
        code, out, err = await system.command("apply", "-f", str(tmp_path / "support.yaml"), "--wait")
        assert code == 0, out + err
        for number in range(100, 105):
            system.dovecot.deliver("support", letter(number))
        assert len(await system.settled("support", 5)) == 5
        since = ("--since", f"{YESTERDAY:%Y-%m-%d}")
        counted = await shown(system, "import", "support", *since, "--dry-run")
        assert (counted["state"], counted["count"]) == ("counted", 20)
        code, _, err = await system.command("mailbox", "import", "support", *since)
        assert (code, "nobody is there to confirm" in err) == (1, True)
        ordered = await shown(system, "import", "support", *since, "--yes")
        assert ordered["state"] == "taking"
        entries = await system.settled("support", 25)
        assert {one.headline.subject for one in entries} == {
            *(f"Letter {number}" for number in range(30) if number % 3),
            *(f"Letter {number}" for number in range(100, 105)),
        }

        async def all_known() -> bool:
            tickets = await system.store.tickets.list(mailbox="support", limit=100)
            states = [one.acknowledgement.state for one in tickets if one.acknowledgement]
            return len(states) == 25 and not {State.PENDING, State.CLAIMED, State.DATA_STARTED} & set(states)

        await eventually(all_known, 60)
        again = await shown(system, "import", "support", *since, "--yes")
        assert (again["state"], again["count"]) == ("counted", 0)
        assert "There is no old mail" in (await shown(system, "show", "support"))["old_mail"]
        told = {
            one.subject: (one.acknowledgement.state, one.acknowledgement.code)
            for one in await system.store.tickets.list(mailbox="support", limit=100)
            if one.acknowledgement
        }
        assert len(await system.entries("support")) == 25
        await system.balance()
    assert {told[f"Letter {number}"] for number in range(30) if number % 3} == {(State.SUPPRESSED, "imported")}
    assert {told[f"Letter {number}"] for number in range(100, 105)} == {(State.SENT, "sent")}
    assert sorted(to for to, _ in post.sent) == [f"p{number}@people.example" for number in range(100, 105)]
