"""No loop: mailboxes of ours that write to each other, and a machine that answers without saying so, end after at most
one mail. The whole pipeline, a Dovecot, and an SMTP server that delivers into it."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from email import message_from_bytes
from typing import Any

import pytest
import pytest_asyncio

from shared.domain.ticket import Acknowledgement
from shared.domain.ticket import AcknowledgementState as State
from tests.support.bad_certificates import make
from tests.support.fetching import eventually
from tests.support.mails import mail
from tests.support.pipeline import QUICK, Pipeline, pipeline
from tests.support.smtp import server_context, smtp_server

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(240)]

USERS = {"support": "secret", "requests": "secret"}
RELAY = """
acknowledgements: {{enabled: true, text: "{{number}}"}}
smtp: {{host: localhost, port: {port}, caFile: "{ca}", username: relay, passwordFrom: {{file: "{password}"}}}}
"""


@dataclass
class Post:
    """Delivers what it is sent: to our mailboxes into Dovecot, to `people` by their own function."""

    deliver: Callable[[str, bytes], object] = lambda user, raw: None
    people: dict[str, Callable[[bytes], None]] = field(default_factory=dict)
    sent: list[tuple[str, bytes]] = field(default_factory=list)

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        raw = b"Return-Path: <>\r\nReceived: from notifier by post.example; now\r\n" + envelope.original_content
        for recipient in envelope.rcpt_tos:
            self.sent.append((recipient, raw))
            local, _, domain = recipient.rpartition("@")
            if domain == "example.com":
                self.deliver(local.partition("+")[0], raw)
            else:
                self.people.get(recipient, lambda _: None)(raw)
        return "250 OK"

    def to(self, address: str) -> list[bytes]:
        return [raw for recipient, raw in self.sent if recipient == address]


@dataclass
class Town:
    """The system and its post office."""

    system: Pipeline
    post: Post

    async def acknowledged(self, mailbox: str, requester: str) -> list[Acknowledgement]:
        """Wait until the tickets of somebody know what became of their acknowledgements; newest first."""
        found: list[Acknowledgement] = []
        waiting = (State.PENDING, State.CLAIMED, State.DATA_STARTED)

        async def known() -> bool:
            tickets = await self.system.store.tickets.list(mailbox=mailbox)
            asked = [one for one in tickets if one.requester is not None and one.requester.address == requester]
            found[:] = [one.acknowledgement for one in asked if one.acknowledgement]
            return bool(found) and all(one.state not in waiting for one in found)

        await eventually(known, 60)
        return found


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def town(tmp_path_factory: pytest.TempPathFactory, rabbitmq_url: str) -> AsyncIterator[Town]:
    folder, post = tmp_path_factory.mktemp("loops"), Post()
    files = make(folder / "tls")
    password = folder / "relay.password"
    password.write_text("open sesame")
    context = server_context(files.certificate, files.key)
    quick = {**QUICK, "MAIL_AUTOMATOR_NOTIFIER_LOOK_SECONDS": "0.2"}
    async with (
        smtp_server(context, "relay", "open sesame", implicit=True, handler=post) as port,
        pipeline(folder, USERS, environ=quick, broker_url=rabbitmq_url) as system,
    ):
        post.deliver = system.dovecot.deliver
        for user in USERS:
            await system.add_mailbox(user, user, RELAY.format(port=port, ca=files.ca_file, password=password))
        yield Town(system, post)


async def test_a_person_gets_one_acknowledgement_and_the_answer_to_it_finds_the_ticket(town: Town) -> None:
    known = len(await town.system.entries("support"))
    town.system.dovecot.deliver("support", mail(sender="ann@people.example", subject="Printer"))
    (first,) = await town.acknowledged("support", "ann@people.example")
    assert first.state is State.SENT
    (raw,) = town.post.to("ann@people.example")
    acknowledgement = message_from_bytes(raw)
    answer = mail(
        sender="ann@people.example",
        subject=f"Re: {acknowledgement['Subject']}",
        headers={"In-Reply-To": acknowledgement["Message-ID"]},
    )
    town.system.dovecot.deliver("support", answer)
    entries = await town.system.settled("support", known + 2)
    assert sorted(one.decision.kind.value for one in entries[:2] if one.decision) == ["reply", "ticket"]
    assert len(town.post.to("ann@people.example")) == 1


async def test_two_mailboxes_of_ours_that_write_to_each_other_end_at_once(town: Town) -> None:
    before, known = len(town.post.sent), len(await town.system.entries("requests"))
    ours = mail(sender="support@example.com", to="requests@example.com", subject="Hello, colleague")
    town.system.dovecot.deliver("requests", ours)
    theirs = mail(sender="eve@people.example", to="requests@example.com", headers={"Reply-To": "support@example.com"})
    town.system.dovecot.deliver("requests", theirs)
    await town.system.settled("requests", known + 2)
    (found,) = await town.acknowledged("requests", "eve@people.example")
    assert (found.state, found.code) == (State.SUPPRESSED, "own_address")
    await asyncio.sleep(2)
    assert len(town.post.sent) == before
    assert len(await town.system.entries("requests")) == known + 2


async def test_a_machine_that_answers_without_saying_so_gets_one_acknowledgement(town: Town) -> None:
    known, tickets = len(await town.system.entries("support")), len(await town.system.store.tickets.list(limit=500))
    robot = "robot@away.example"

    def away(raw: bytes) -> None:
        town.system.dovecot.deliver("support", mail(sender=robot, subject="I am on holiday", text="Back in May.\n"))

    town.post.people[robot] = away
    town.system.dovecot.deliver("support", mail(sender=robot, subject="Order 66"))
    await town.system.settled("support", known + 2)

    async def both_told() -> bool:
        newest = await town.system.store.tickets.list(mailbox="support", limit=2)
        return [one.acknowledgement.code for one in newest if one.acknowledgement] == ["budget_address", "sent"]

    await eventually(both_told, 60)
    await asyncio.sleep(2)
    assert len(town.post.to(robot)) == 1
    assert len(await town.system.entries("support")) == known + 2
    assert len(await town.system.store.tickets.list(limit=500)) == tickets + 2
    await town.system.balance()


async def test_a_bounce_of_every_acknowledgement_becomes_a_note_and_is_not_answered(town: Town) -> None:
    known, before = len(await town.system.entries("support")), len(town.post.sent)
    gone = [f"gone{count}@people.example" for count in range(3)]
    for address in gone:
        town.post.people[address] = lambda raw: town.system.dovecot.deliver(
            "support", BOUNCE.replace(b"%RETURNED%", raw)
        )
        town.system.dovecot.deliver("support", mail(sender=address, subject="Hello"))
    entries = await town.system.settled("support", known + 2 * len(gone))
    reasons = sorted(one.decision.reason.value for one in entries[: 2 * len(gone)] if one.decision)
    assert reasons == ["bounce_attached"] * 3 + ["ticket_created"] * 3
    for address in gone:
        (told,) = await town.acknowledged("support", address)
        assert told.state is State.SENT
    await asyncio.sleep(2)
    assert sorted(recipient for recipient, _ in town.post.sent[before:]) == gone
    assert len(await town.system.entries("support")) == known + 2 * len(gone)
    await town.system.balance()


BOUNCE = b"""\
Return-Path: <>\r
From: MAILER-DAEMON@mail.example.com (Mail Delivery System)\r
Subject: Undelivered Mail Returned to Sender\r
To: support@example.com\r
Auto-Submitted: auto-replied\r
MIME-Version: 1.0\r
Content-Type: multipart/report; report-type=delivery-status; boundary="=_report"\r
\r
--=_report\r
Content-Type: text/plain\r
\r
Your message could not be delivered.\r
--=_report\r
Content-Type: message/delivery-status\r
\r
Reporting-MTA: dns; mail.example.com\r
\r
Action: failed\r
Status: 5.1.1\r
--=_report\r
Content-Type: message/rfc822\r
\r
%RETURNED%\r
--=_report--\r
"""
"""A delivery report as Postfix writes it, without a Message-ID of its own."""
