"""The store is put back to an older copy, as docs/backup.md says, under the whole running pipeline: what was forgotten
ends as it had ended before, and nobody is answered twice."""

import shutil
from collections import Counter
from email import message_from_bytes
from pathlib import Path

import pytest

from services.all_in_one.embedded_store import EmbeddedStore
from services.all_in_one.settings import ONE_EACH
from shared.domain.decision import Kind
from shared.domain.ticket import AcknowledgementState
from tests.e2e.test_loops import RELAY, Post
from tests.support.bad_certificates import make
from tests.support.canary import secret
from tests.support.fetching import eventually
from tests.support.mails import mail
from tests.support.pipeline import QUICK, Pipeline, pipeline
from tests.support.smtp import server_context, smtp_server

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]

SERVICES = {name: count for name, count in ONE_EACH.items() if name != "console"}
RULES = "domains: {blockedSenders: ['*@spam.example']}\n"
OFF = "acknowledgements: {enabled: false}\n"
BEFORE, SINCE = 4, 6
AT_REST = (AcknowledgementState.SENT, AcknowledgementState.SUPPRESSED)


def letter(number: int) -> bytes:
    return mail(sender=f"p{number}@people.example", subject=f"Letter {number}", text=f"Number {number}.\n")


async def outcomes(system: Pipeline, count: int) -> dict[str, tuple[str, str | None]]:
    """What became of each mail, once they have all ended and every acknowledgement is at rest."""

    async def at_rest() -> bool:
        tickets = await system.store.tickets.list(mailbox="support", limit=100)
        return all(one.acknowledgement and one.acknowledgement.state in AT_REST for one in tickets)

    entries = await system.settled("support", count, seconds=100)
    await eventually(at_rest, 60)
    decided = [(one.mail_id, one.decision) for one in entries]
    assert all(decision is not None for _, decision in decided)
    return {mail_id: (what.kind.value, what.ticket_id) for mail_id, what in decided if what}


async def older_copy(server: EmbeddedStore, copy: EmbeddedStore) -> None:
    """A backup: the files of the store while it stands still."""
    await server.stop()
    copy.folder.mkdir(parents=True)
    shutil.copytree(server.folder / "data", copy.folder / "data")
    await server.start()


async def put_back(server: EmbeddedStore, copy: EmbeddedStore) -> None:
    shutil.rmtree(server.folder / "data")
    shutil.copytree(copy.folder / "data", server.folder / "data")
    await server.start()


async def silence(system: Pipeline, copy: EmbeddedStore, relay: str) -> None:
    """Acknowledgements off, in the copy, before any service sees it."""
    await copy.start()
    key = str(system.system.key_file)
    await system.add_mailbox("support", "support", RULES + OFF + relay, "--store-url", copy.url, "--key-file", key)
    await copy.stop()


async def test_what_was_forgotten_ends_once_more_as_before_and_nobody_is_answered_twice(
    tmp_path: Path, rabbitmq_url: str
) -> None:
    post, files = Post(), make(tmp_path / "tls")
    password = tmp_path / "relay.password"
    password.write_text("open sesame")
    context = server_context(files.certificate, files.key)
    server, copy = EmbeddedStore(tmp_path / "store"), EmbeddedStore(tmp_path / "copy")
    quick = {**QUICK, "MAIL_AUTOMATOR_NOTIFIER_LOOK_SECONDS": "0.2"}
    async with (
        smtp_server(context, "relay", "open sesame", implicit=True, handler=post) as port,
        server,
        pipeline(
            tmp_path, {"support": secret()}, SERVICES, quick, tap=False, store_url=server.url, broker_url=rabbitmq_url
        ) as system,
    ):
        smtp = RELAY.format(port=port, ca=files.ca_file, password=password)
        relay = "".join(line + "\n" for line in smtp.splitlines() if line.startswith("smtp:"))
        await system.add_mailbox("support", "support", RULES + smtp)
        for number in range(BEFORE):
            system.dovecot.deliver("support", letter(number))
        kept = await outcomes(system, BEFORE)
        await older_copy(server, copy)
        for number in range(BEFORE, BEFORE + SINCE - 2):
            system.dovecot.deliver("support", letter(number))
        system.dovecot.deliver("support", mail(sender="x@spam.example", subject="Offer"))
        (answered,) = post.to("p0@people.example")
        thanks = {"In-Reply-To": str(message_from_bytes(answered)["Message-ID"])}
        system.dovecot.deliver("support", mail(sender="p0@people.example", subject="Re: Letter 0", headers=thanks))
        before = await outcomes(system, BEFORE + SINCE)
        told = Counter(to for to, _ in post.sent)
        assert told == {f"p{number}@people.example": 1 for number in range(BEFORE + SINCE - 2)}

        await server.stop()
        await silence(system, copy, relay)
        await put_back(server, copy)
        after = await outcomes(system, BEFORE + SINCE)
        assert after == before, "the same mails, the same ends, the same tickets"
        assert kept.items() <= after.items()
        assert Counter(kind for kind, _ in after.values()) == {Kind.TICKET: 8, Kind.REPLY: 1, Kind.REJECTED: 1}
        assert (await system.balance())["balanced"] is True
        assert Counter(to for to, _ in post.sent) == told, "nobody is answered twice"

        await system.add_mailbox("support", "support", RULES + smtp)
        system.dovecot.deliver("support", letter(99))
        await outcomes(system, BEFORE + SINCE + 1)
        assert Counter(to for to, _ in post.sent) == told + Counter(["p99@people.example"])
        await system.balance()
