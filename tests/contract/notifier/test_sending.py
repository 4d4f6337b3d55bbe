"""Acknowledgements over real SMTP with TLS: what a server can do to them, and what they then are."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from shared.domain.ticket import AcknowledgementState as State
from shared.store.client import Store
from tests.support.bad_certificates import make
from tests.support.fetching import eventually
from tests.support.notifying import PATIENCE, QUICK, mailbox, office, ticket
from tests.support.smtp_sink import Fault, smtp_sink


@pytest.mark.parametrize("implicit", [True, False])
@pytest.mark.parametrize("without", [(), ("PLAIN",)])
async def test_an_acknowledgement_arrives_once_with_the_null_sender(
    store: Store, tmp_path: Path, implicit: bool, without: tuple[str, ...]
) -> None:
    async with smtp_sink(tmp_path, implicit=implicit, without=without) as sink:
        made = ticket()
        desk = await office(store, mailbox(sink))
        await desk.owe(made)
        assert (await desk.of(made)).state is State.PENDING
        await desk.look()
        await desk.owe(made)
        await desk.look()
        assert (await desk.of(made)).state is State.SENT
        (taken,) = sink.taken
        assert (taken.sender, taken.recipients) == ("<>", ["alice@example.org"])
        assert taken.ticket_id == made.ticket_id
        assert taken.mail["Subject"] == f"[{desk.tools.marks.tag(made.number)}] We received your mail"


@pytest.mark.parametrize("fault", [Fault.RCPT_451, Fault.DATA_451, Fault.DROP_BEFORE_DOT])
async def test_what_the_server_did_not_take_is_sent_again_until_it_does(
    store: Store, tmp_path: Path, fault: Fault
) -> None:
    async with smtp_sink(tmp_path) as sink:
        sink.faults = [fault, fault]
        made = ticket()
        desk = await office(store, mailbox(sink))
        await desk.owe(made)
        await desk.look()
        waiting = await desk.of(made)
        assert (waiting.state, waiting.attempts, len(sink.taken)) == (State.PENDING, 1, 0)
        assert waiting.status.sentence
        await desk.reaches(made, State.SENT)
        assert [one.ticket_id for one in sink.taken] == [made.ticket_id]


@pytest.mark.parametrize("fault", [Fault.RCPT_550, Fault.DATA_554])
async def test_what_the_server_refuses_has_failed_and_the_next_mail_goes_over_the_same_connection(
    store: Store, tmp_path: Path, fault: Fault
) -> None:
    async with smtp_sink(tmp_path) as sink:
        sink.faults = [fault]
        first, second = ticket(1), ticket(2)
        desk = await office(store, mailbox(sink))
        await desk.owe(first)
        await desk.owe(second)
        await desk.look()
        failed = await desk.of(first)
        assert (failed.state, failed.status.code) == (State.FAILED, "refused")
        assert "5.1.1" in failed.status.sentence or "5.7.1" in failed.status.sentence
        assert (await desk.of(second)).state is State.SENT
        assert (len(sink.taken), sink.connections) == (1, 1)


@pytest.mark.parametrize("fault", [Fault.DROP_AFTER_DOT, Fault.STALL_AFTER_DOT])
async def test_no_reply_to_the_final_dot_is_unknown_and_never_sent_again_by_itself(
    store: Store, tmp_path: Path, fault: Fault
) -> None:
    async with smtp_sink(tmp_path) as sink:
        sink.faults = [fault]
        made = ticket()
        desk = await office(store, mailbox(sink), ttl=1)
        await desk.owe(made)
        await desk.look()
        for _ in range(20):
            await desk.look()
            await desk.keeper.recover()
            await asyncio.sleep(0.1)
        left = await desk.of(made)
        assert (left.state, left.status.code) == (State.UNKNOWN, "no_reply")
        assert len(sink.taken) == 1


async def test_a_connection_that_breaks_after_the_reply_doubles_nothing(store: Store, tmp_path: Path) -> None:
    async with smtp_sink(tmp_path) as sink:
        sink.faults = [Fault.RESET_AFTER_250]
        first, second = ticket(1), ticket(2)
        desk = await office(store, mailbox(sink))
        await desk.owe(first)
        await desk.owe(second)
        await desk.look()
        await desk.reaches(second, State.SENT)
        assert (await desk.of(first)).state in (State.SENT, State.UNKNOWN)
        assert sorted(one.ticket_id for one in sink.taken) == sorted((first.ticket_id, second.ticket_id))


async def test_a_burst_goes_over_one_connection_and_mailboxes_of_one_server_take_turns(
    store: Store, tmp_path: Path
) -> None:
    async with smtp_sink(tmp_path) as sink:
        desk = await office(store, mailbox(sink), mailbox(sink, "requests"))
        tickets = [ticket(n, mailbox=name) for n in range(5) for name in ("support", "requests")]
        await desk.owe(*tickets)
        await desk.look()
        assert sorted(one.ticket_id for one in sink.taken) == sorted(one.ticket_id for one in tickets)
        assert (sink.connections, sink.most_open) == (2, 1)


async def test_a_tarpit_of_one_mailbox_does_not_hold_up_another(store: Store, tmp_path: Path) -> None:
    async with smtp_sink(tmp_path / "slow") as slow, smtp_sink(tmp_path / "fast") as fast:
        slow.slow = 60
        desk = await office(
            store, mailbox(slow), mailbox(fast, "requests"), patience=replace(PATIENCE, step=90, dot=90)
        )
        stuck = [ticket(n) for n in range(150)]
        await desk.owe(*stuck)
        await desk.lanes.look()
        async with asyncio.timeout(10):
            await slow.began.wait()
        late = ticket(1, mailbox="requests")
        await desk.owe(late)
        await desk.reaches(late, State.SENT, seconds=5)
        assert (len(fast.taken), slow.most_open) == (1, 1)
        await desk.lanes.drain(0)
        assert (await desk.of(stuck[0])).state is State.PENDING


async def test_a_wrong_password_is_the_mailboxs_trouble_tried_once_and_ends_when_it_is_changed(
    store: Store, tmp_path: Path
) -> None:
    async with smtp_sink(tmp_path, password="something else") as sink:
        waits = replace(QUICK, rejected=timedelta(minutes=15))
        desk = await office(store, mailbox(sink), waits=waits)
        tickets = [ticket(n) for n in range(3)]
        await desk.owe(*tickets)
        other = await office(store, waits=waits)
        for _ in range(5):
            await asyncio.gather(desk.look(), other.look())
        assert sink.refused <= 2, "each of the two finds out at most once"
        assert sink.taken == []
        status = (await store.sending.all())["support"]
        assert (status.up, status.code, status.failures) == (False, "authentication_rejected", 1)
        assert status.retry_at > await store.server_time() + timedelta(minutes=14)
        waiting = await desk.of(tickets[0])
        assert (waiting.state, waiting.status.code, waiting.attempts) == (State.PENDING, "authentication_rejected", 0)
        text = desk.tools.metrics.exposition().decode() + other.tools.metrics.exposition().decode()
        assert 'mail_automator_smtp_failures_total{mailbox="support",reason="authentication_rejected"} 1.0' in text
        assert 'mail_automator_smtp_up{mailbox="support"} 0.0' in text
        assert "correct horse" not in status.sentence

        sink.password = "correct horse"
        stored = await store.mailboxes.get("support")
        assert stored is not None
        await store.mailboxes.put(stored, {})
        await desk.tools.configuration.refresh()
        await desk.reaches(tickets[1], State.SENT)
        assert (await store.sending.all())["support"].up


async def test_credentials_of_its_own_are_used_for_smtp(store: Store, tmp_path: Path) -> None:
    async with smtp_sink(tmp_path) as sink:
        auth = {"type": "basic", "username": "elsewhere", "password": "of imap only"}
        own = sink.smtp(username="support@desk.example", password="correct horse")
        made = ticket()
        desk = await office(store, mailbox(sink, smtp=own, auth=auth))
        await desk.owe(made)
        await desk.look()
        assert (await desk.of(made)).state is State.SENT


async def test_a_certificate_that_does_not_verify_gets_no_password(store: Store, tmp_path: Path) -> None:
    async with smtp_sink(tmp_path / "server") as sink:
        sink.ca_file = make(tmp_path / "another").ca_file
        made = ticket()
        desk = await office(store, mailbox(sink))
        await desk.owe(made)
        await desk.look()
        assert (await desk.of(made)).status.code == "certificate_rejected"
        assert (sink.sign_ins, sink.refused, sink.taken) == (0, 0, [])


@pytest.mark.parametrize(("encryption", "code"), [("starttls", "timed_out"), ("implicit_tls", "tls_failed")])
async def test_the_wrong_kind_of_encryption_is_said(store: Store, tmp_path: Path, encryption: str, code: str) -> None:
    async with smtp_sink(tmp_path, implicit=encryption == "starttls") as sink:
        made = ticket()
        desk = await office(
            store, mailbox(sink, smtp=sink.smtp(encryption=encryption)), patience=replace(PATIENCE, connect=1, step=1)
        )
        await desk.owe(made)
        await desk.look()
        assert (await desk.of(made)).status.code == code
        assert sink.sign_ins == 0


async def test_lines_that_begin_with_dots_arrive_as_they_were_written(store: Store, tmp_path: Path) -> None:
    text = ".\n..\n.hidden\nlast line\n.\n"
    async with smtp_sink(tmp_path) as sink:
        made = ticket()
        desk = await office(store, mailbox(sink, acknowledgements={"text": text}))
        await desk.owe(made)
        await desk.look()
        assert sink.taken[0].mail.get_content().splitlines() == text.splitlines()


async def test_what_cannot_be_sent_for_a_day_is_given_up(store: Store, tmp_path: Path) -> None:
    async with smtp_sink(tmp_path) as sink:
        sink.always = Fault.RCPT_451
        made = ticket()
        desk = await office(store, mailbox(sink), waits=replace(QUICK, give_up=timedelta(seconds=1)))
        await desk.owe(made)
        failed = await desk.reaches(made, State.FAILED)
        assert failed.status.code == "given_up"


async def test_a_mailbox_that_is_gone_or_switched_off_meanwhile_sends_nothing(store: Store, tmp_path: Path) -> None:
    async with smtp_sink(tmp_path) as sink:
        gone, off = ticket(1), ticket(1, mailbox="requests")
        desk = await office(store, mailbox(sink), mailbox(sink, "requests"))
        await desk.owe(gone, off)
        await store.mailboxes.delete("support")
        stored = await store.mailboxes.get("requests")
        assert stored is not None
        silent = stored.spec.acknowledgements.model_copy(update={"enabled": False})
        await store.mailboxes.put(
            stored.model_copy(update={"spec": stored.spec.model_copy(update={"acknowledgements": silent})}), {}
        )
        await desk.tools.configuration.refresh()
        await desk.look()
        assert (await desk.of(gone)).status.code == "mailbox_gone"
        assert (await desk.of(off)).status.code == "switched_off"
        assert sink.connections == 0


async def test_what_deleted_mailboxes_owe_is_written_off_by_one_lane(store: Store, tmp_path: Path) -> None:
    async with smtp_sink(tmp_path) as sink:
        names = ("one", "two")
        desk = await office(store, *(mailbox(sink, name) for name in names))
        owed = [ticket(n, mailbox=name) for name in names for n in range(70)]
        numbered = [made.model_copy(update={"number": f"INC-{n:06d}"}) for n, made in enumerate(owed)]
        await desk.owe(*numbered)
        for name in names:
            await store.mailboxes.delete(name)
        await desk.tools.configuration.refresh()
        await desk.lanes.look()
        await desk.lanes.look()
        assert len({one.mailbox for one in desk.lanes.held}) <= 1
        for made in (numbered[0], numbered[-1]):
            assert (await desk.reaches(made, State.SUPPRESSED)).status.code == "mailbox_gone"
        assert sink.connections == 0


async def test_stopping_before_the_dot_lets_it_wait_and_after_the_dot_calls_it_unknown(
    store: Store, tmp_path: Path
) -> None:
    async with smtp_sink(tmp_path / "a") as before, smtp_sink(tmp_path / "b") as after:
        before.slow, after.always = 60, Fault.STALL_AFTER_DOT
        early, late = ticket(1), ticket(1, mailbox="requests")
        patience = replace(PATIENCE, step=60, dot=60)
        desk = await office(store, mailbox(before), mailbox(after, "requests"), patience=patience)
        await desk.owe(early, late)
        await desk.lanes.look()

        async def underway() -> bool:
            return before.began.is_set() and len(after.taken) == 1

        await eventually(underway)
        desk.draining.set()
        await desk.lanes.drain(0.1)
        assert (await desk.of(early)).state is State.PENDING
        assert (await desk.of(late)).state is State.UNKNOWN
        assert (len(before.taken), len(after.taken)) == (0, 1)
