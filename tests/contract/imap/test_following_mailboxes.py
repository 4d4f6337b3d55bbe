"""Whole watches under a follower: the real Dovecot, the real store, real time."""

import asyncio
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509

from services.all_in_one.demo.dovecot import Dovecot
from services.fetcher.aftermath import Aftermath
from services.fetcher.watch import APART_SECONDS, Watch
from shared.domain.decision import Decision, Kind, Reason, Revisions
from shared.domain.ledger import DecisionWrite
from shared.domain.mailbox_runtime import MailboxStatus, Phase
from shared.runtime.clock import Clock
from shared.store.client import Store
from tests.support import builders
from tests.support.builders import AT
from tests.support.canary import secret
from tests.support.dovecot import USERS
from tests.support.embedded_store import FakeClock
from tests.support.fetching import (
    NAME,
    Published,
    eventually,
    follower_of,
    following,
    open_folder,
    scripted_mailbox,
    support_mailbox,
    tools,
)
from tests.support.imap import USER, logged_in, mail
from tests.support.scripted_imap import ScriptedImap

OTHER = "requests@desk.example"


async def phase(store: Store, name: str = NAME) -> Phase | None:
    """What the status in the store says."""
    status = (await store.runtime.statuses()).get(name)
    return status.state if status else None


def is_in(store: Store, wanted: Phase, name: str = NAME):
    async def ready() -> bool:
        return await phase(store, name) is wanted

    return ready


def has(published: Published, count: int):
    async def ready() -> bool:
        return len(published.messages) >= count

    return ready


async def test_mail_is_taken_as_it_arrives(dovecot: Dovecot, store: Store) -> None:
    dovecot.deliver(USER, mail(1))
    published = Published()
    await store.mailboxes.put(support_mailbox(dovecot), {})
    async with following(store, tools(store, published)):
        await eventually(has(published, 1))
        await eventually(is_in(store, Phase.IDLE))
        dovecot.deliver(USER, mail(2))
        await eventually(has(published, 2))
    assert {one.raw for one in published.messages} == {mail(1), mail(2)}
    assert await store.runtime.leases() == {}
    assert await store.runtime.live_fetchers() == ()


async def test_mail_that_keeps_coming_is_taken_some_at_a_time(tmp_path: Path, store: Store) -> None:
    """A mail every 20 ms, each told of at once. A look takes a few round trips, whatever it finds: two a second do, if
    each finds all that is there."""
    published = Published()
    async with ScriptedImap(tmp_path, "IMAP4rev1 MOVE UIDPLUS IDLE") as server:
        server.pushes = True
        await store.mailboxes.put(scripted_mailbox(server, tmp_path), {})
        async with following(store, tools(store, published)):
            await eventually(is_in(store, Phase.IDLE))
            server.kept_back.clear()
            began = asyncio.get_running_loop().time()
            for number in range(1, 101):
                server.add(number, mail(number), datetime.now(UTC))
                await asyncio.sleep(0.02)
            await eventually(has(published, 100))
            seconds = asyncio.get_running_loop().time() - began
            kept_back = sorted(server.kept_back)
    assert [one.raw for one in published.messages] == [mail(number) for number in range(1, 101)]
    assert len(kept_back) <= 2 + seconds / APART_SECONDS
    assert kept_back[len(kept_back) // 2] <= 5


async def test_a_wrong_password_needs_attention_and_stops_no_other_mailbox(dovecot: Dovecot, store: Store) -> None:
    published = Published()
    await store.mailboxes.put(support_mailbox(dovecot, "wrong", password=secret("wrong")), {})
    await store.mailboxes.put(support_mailbox(dovecot, "right", OTHER, USERS[OTHER]), {})
    dovecot.deliver(OTHER, mail(1))
    async with following(store, tools(store, published)) as follower:
        await eventually(is_in(store, Phase.NEEDS_ATTENTION, "wrong"))
        await eventually(is_in(store, Phase.IDLE, "right"))
        status = (await store.runtime.statuses())["wrong"]
        assert status.code == "authentication_rejected"
        assert secret("wrong") not in status.sentence
        assert follower.mailboxes == ("right", "wrong")
        mended = await store.mailboxes.get("wrong")
        assert mended is not None
        support_mailbox(dovecot, "wrong")
        await store.mailboxes.put(mended, {})
        await eventually(is_in(store, Phase.IDLE, "wrong"), 10)
    assert [one.mailbox for one in published.messages] == ["right"]


async def test_a_disabled_mailbox_whose_reader_was_killed_is_told_of_by_another(dovecot: Dovecot, store: Store) -> None:
    """Once the lease of the dead has run out, not before; who is never heard of is nobody's."""
    mailbox = await store.mailboxes.put(support_mailbox(dovecot), {})
    await store.mailboxes.put(support_mailbox(dovecot, "never-read"), {})
    lease = await store.runtime.acquire(NAME, "killed", timedelta(seconds=6))
    assert lease is not None
    well = MailboxStatus(state=Phase.IDLE, since=AT, last_success_at=AT)
    await store.runtime.set_status(NAME, well)
    for name in (NAME, "never-read"):
        found = await store.mailboxes.get(name)
        assert found is not None
        off = found.spec.model_copy(update={"enabled": False})
        await store.mailboxes.put(found.model_copy(update={"spec": off}), {})
    async with following(store, tools(store, Published())):
        await asyncio.sleep(1)
        assert (await store.runtime.statuses()) == {NAME: well}
        await eventually(is_in(store, Phase.STOPPED), 30)
        told = (await store.runtime.statuses())[NAME]
        assert (told.code, told.last_success_at) == ("disabled", AT)
        assert not await store.runtime.set_status_of(NAME, lease.model_copy(update={"token": 7}), well)
        off = await store.mailboxes.get(NAME)
        assert off is not None
        await store.mailboxes.put(off.model_copy(update={"spec": mailbox.spec}), {})
        await eventually(is_in(store, Phase.IDLE), 10)
    assert set(await store.runtime.statuses()) == {NAME}


@pytest.mark.row(78)
async def test_an_unknown_folder_needs_attention_and_the_known_ones_are_named(dovecot: Dovecot, store: Store) -> None:
    dovecot.maildir(USER, "Archive")
    await store.mailboxes.put(support_mailbox(dovecot, folder="Nowhere"), {})
    async with following(store, tools(store, Published())):
        await eventually(is_in(store, Phase.NEEDS_ATTENTION))
    status = (await store.runtime.statuses())[NAME]
    assert status.code == "folder_missing"
    assert "Archive" in status.sentence


async def test_a_server_that_comes_back_is_read_again(dovecot: Dovecot, store: Store) -> None:
    published = Published()
    await store.mailboxes.put(support_mailbox(dovecot), {})
    async with following(store, tools(store, published)):
        await eventually(is_in(store, Phase.IDLE))
        await dovecot.kill()
        await eventually(is_in(store, Phase.BACKOFF), 5)
        dovecot.deliver(USER, mail(1))
        await dovecot.start()
        await eventually(has(published, 1))
        await eventually(is_in(store, Phase.IDLE))


async def test_a_paused_mailbox_is_left_and_a_resumed_one_read(dovecot: Dovecot, store: Store) -> None:
    published = Published()
    await store.mailboxes.put(support_mailbox(dovecot), {})
    async with following(store, tools(store, published)) as follower:
        await eventually(is_in(store, Phase.IDLE))
        await store.mailboxes.set_paused(NAME, True)
        await eventually(is_in(store, Phase.STOPPED), 5)
        assert follower.mailboxes == ()
        dovecot.deliver(USER, mail(1))
        await store.mailboxes.set_paused(NAME, False)
        await eventually(has(published, 1), 10)
        await store.mailboxes.delete(NAME)
        await eventually(is_in(store, Phase.STOPPED), 5)
    assert (await store.runtime.statuses())[NAME].code == "deleted"


async def test_two_fetchers_share_the_mailboxes_and_one_takes_over_from_the_other(
    dovecot: Dovecot, store: Store
) -> None:
    names = ["a", "b", "c"]
    for name in names:
        await store.mailboxes.put(support_mailbox(dovecot, name), {})
    kit = tools(store, Published())
    async with following(store, kit, "fetcher-1") as first:
        await eventually(_holds(first, 3))
        async with following(store, kit, "fetcher-2") as second:
            await eventually(_holds(second, 1))
            await eventually(_holds(first, 2))
            held = {lease.holder for lease in (await store.runtime.leases()).values()}
            assert held == {"fetcher-1", "fetcher-2"}
            assert not set(first.mailboxes) & set(second.mailboxes)
        await eventually(_holds(first, 3))


def _holds(follower, count: int):
    async def ready() -> bool:
        return len(follower.mailboxes) == count

    return ready


async def test_a_deletion_waits_for_days_unless_it_is_told_otherwise(dovecot: Dovecot, store: Store) -> None:
    """The server's copy is what brings a mail back that a store restored from a backup has forgotten."""
    published = Published()
    mailbox = support_mailbox(dovecot, after_fetch={"action": "delete"})
    for number in (1, 2):
        dovecot.deliver(USER, mail(number), received=datetime(2026, 1, 5, 10, number, tzinfo=UTC))
    async with logged_in(mailbox.spec.imap) as session:
        folder = await open_folder(session, store, mailbox, published)
        await folder.read(session, full=True)
        for mail_id in published.mail_ids:
            await finish(store, mail_id)
        for days, left in ((7, 2), (8, 0)):
            clock = FakeClock(Clock().now() + timedelta(days=days, minutes=1))
            aftermath = Aftermath(mailbox.spec.imap.after_fetch, store, 1_000_000, clock)
            await aftermath.apply(session, folder.place, 0)
            assert len(await session.search_all()) == left


async def test_many_mailboxes_are_stopped_at_the_same_time(store: Store) -> None:
    """One that is slow to stop holds up no other: here each ends only when all are about to."""
    all_at_once = asyncio.Barrier(10)

    class Slow(Watch):
        async def run(self) -> None:
            try:
                await asyncio.Event().wait()
            finally:
                await all_at_once.wait()

    kit = tools(store, Published())
    follower = follower_of(store, kit, "f", Slow)
    many = {name: builders.mailbox(name) for name in (f"m{count}" for count in range(10))}
    await follower.look(many)
    assert len(follower.mailboxes) == 10
    await asyncio.sleep(0)
    async with asyncio.timeout(60):
        await follower.look({name: one.model_copy(update={"paused": True}) for name, one in many.items()})
    assert follower.mailboxes == ()
    await follower.stop()


async def finish(store: Store, mail_id: str) -> None:
    """Make a mail's decision final, as the later stages would."""
    decision = Decision(
        kind=Kind.REJECTED,
        reason=Reason.BLOCKED_SENDER,
        sentence="Blocked.",
        revisions=Revisions(mailbox=1),
        decided_at=datetime(2026, 1, 1, tzinfo=UTC),
    )
    await store.ledger.decide_many([DecisionWrite(mail_id=mail_id, decision=decision, trace=())])
    await store.ledger.mark_done([mail_id])


ACTIONS = [
    ({"action": "mark_seen"}, "seen"),
    ({"action": "flag"}, "flagged"),
    ({"action": "move", "folder": "Processed"}, None),
    ({"action": "delete", "after_days": 0}, None),
]


@pytest.mark.parametrize(("action", "mark"), ACTIONS)
async def test_the_after_fetch_action_waits_for_the_final_decision(
    dovecot: Dovecot, store: Store, action: dict[str, object], mark: str | None
) -> None:
    published = Published()
    mailbox = support_mailbox(dovecot, after_fetch=action)
    for number in (1, 2):
        dovecot.deliver(USER, mail(number))
    await store.mailboxes.put(mailbox, {})
    async with following(store, tools(store, published)), logged_in(mailbox.spec.imap) as session:
        await eventually(has(published, 2))
        await session.select("INBOX")
        assert len(await session.search_all()) == 2
        await finish(store, published.messages[0].mail_id)
        left = [published.messages[1].raw]

        async def acted() -> bool:
            await session.noop()
            uids = await (session.search_unmarked(mark) if mark else session.search_all())  # type: ignore[arg-type]
            return [one.raw for one in await session.fetch(uids, 1000)] == left

        await eventually(acted)
        await asyncio.sleep(1)
        assert await acted(), "the mail in flight stays as it is"
        if action["action"] == "move":
            assert (await session.select("Processed")).exists == 1


async def test_a_mail_that_dovecot_cannot_read_becomes_a_rejection_and_holds_up_no_other(
    dovecot: Dovecot, store: Store
) -> None:
    """Seen in practice: it hangs up when it is asked for the size of such a mail, before any body is asked for."""
    published = Published()
    dovecot.deliver(USER, mail(1)).chmod(0)
    dovecot.deliver(USER, mail(2))
    await store.mailboxes.put(support_mailbox(dovecot), {})
    async with following(store, tools(store, published)):
        await eventually(has(published, 1), 60)
        await eventually(is_in(store, Phase.IDLE), 60)
    rows = [row async for row in store.ledger.iter_all()]
    assert sorted(str(row.kind and row.kind.value) for row in rows) == ["None", "rejected"]
    assert [one.raw for one in published.messages] == [mail(2)]


async def test_a_mail_whose_headers_break_the_connection_holds_up_no_renumbered_folder(
    dovecot: Dovecot, store: Store
) -> None:
    """Seen in practice: Dovecot knows the size by the file's name, and hangs up when it is asked for the headers."""
    published = Published()
    dovecot.deliver(USER, mail(1))
    await store.mailboxes.put(support_mailbox(dovecot), {})
    async with following(store, tools(store, published)):
        await eventually(has(published, 1), 60)
        await eventually(is_in(store, Phase.IDLE), 60)
    await dovecot.stop()
    for file in dovecot.maildir(USER).glob("dovecot*"):
        file.unlink()
    bad = dovecot.deliver(USER, mail(2))
    size = bad.stat().st_size
    bad.chmod(0)
    bad.rename(bad.with_name(f"{bad.name},S={size},W={size}"))
    await dovecot.start()
    async with following(store, tools(store, published)):
        dovecot.deliver(USER, mail(3))
        await eventually(has(published, 2), 60)
        await eventually(is_in(store, Phase.IDLE), 60)
    rows = [row async for row in store.ledger.iter_all()]
    assert sorted(str(row.kind and row.kind.value) for row in rows) == ["None", "None", "rejected"]
    assert [one.raw for one in published.messages] == [mail(1), mail(3)]


async def test_when_the_servers_certificate_ends_is_known_while_it_is_read(dovecot: Dovecot, store: Store) -> None:
    kit = tools(store, Published())
    gauge, labels = "mail_automator_credential_expiry_timestamp_seconds", {"mailbox": NAME, "credential": "certificate"}
    await store.mailboxes.put(support_mailbox(dovecot), {})
    async with following(store, kit):
        await eventually(is_in(store, Phase.IDLE))
        status = await store.runtime.status(NAME)
        shown = kit.metrics.registry.get_sample_value(gauge, labels)
    assert status is not None
    assert status.certificate_until is not None
    assert status.certificate_until.date() == _ends(dovecot)
    assert shown == status.certificate_until.timestamp()
    assert kit.metrics.registry.get_sample_value(gauge, labels) is None, "nobody reads it any more"


def _ends(server: Dovecot) -> date:
    """By the certificate's own file."""
    file = server.ca_file.with_name("server.pem")
    return x509.load_pem_x509_certificate(file.read_bytes()).not_valid_after_utc.date()
