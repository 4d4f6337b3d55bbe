"""Hostile inputs, rows 56 to 64: loops, floods, and mail that would have us write to somebody. Every stage is real."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import pytest

from services.all_in_one.demo.dovecot import Dovecot
from services.fetcher.handler import Folder, Limits
from services.fetcher.pace import HOUR_SECONDS, Pace
from services.notifier.compose import Letter as Acknowledgement
from services.notifier.compose import compose
from services.notifier.conditions.condition import Reason
from services.notifier.decide import Answer
from shared.domain import identity
from shared.domain.budgets import Budgets, hour_of
from shared.domain.catalogue import Catalogue
from shared.domain.email import Address, Automatic
from shared.domain.ticket import AcknowledgementState as State
from shared.mail.parse import parse
from shared.store.client import Store
from tests.support import notifying
from tests.support.conversations import DAEMON, Letter, Together
from tests.support.dovecot import USERS
from tests.support.embedded_store import FakeClock
from tests.support.fetching import Published, eventually, open_folder, support_mailbox
from tests.support.imap import USER, logged_in, mail
from tests.support.smtp_sink import Fault, smtp_sink
from tests.support.wild import MX, acknowledged, answering, inbox, raw

INSULT = "You are all crooks, buy pills"


@pytest.mark.parametrize(
    ("word", "answered"),
    [
        ("auto-replied", False),
        ("auto-generated", False),
        ("auto-notified; owner-email=x", False),
        ("nobody-knows-this-word", False),
        ("", False),
        ("No", True),
        ("no (comment)", True),
    ],
)
async def test_row_56_only_the_word_no_lets_a_mail_be_answered(
    store: Store, clock: FakeClock, word: str, answered: bool
) -> None:
    desk = await inbox(store, clock)
    ticket = await desk.opened("a", raw(f"Auto-Submitted: {word}"))
    assert acknowledged(ticket) == ("ann@people.example" if answered else Reason.AUTOMATIC_MAIL)


async def test_row_57_a_vacation_answer_without_any_sign_ends_after_one_answer(store: Store, tmp_path: Path) -> None:
    """It cannot be told from a person's mail; the budget of its address can."""
    async with smtp_sink(tmp_path) as sink:
        desk = await notifying.office(store, notifying.mailbox(sink), budgets=Budgets())
        away = [notifying.ticket(n, subject="Out of office") for n in range(4)]
        for one in away:
            await desk.owe(one)
            await desk.look()
        assert [one.ticket_id for one in sink.taken] == [away[0].ticket_id]
        assert [(await desk.of(one)).status.code for one in away[1:]] == [Reason.BUDGET_ADDRESS.value] * 3


def test_row_57_a_vacation_answer_with_two_signs_is_known_for_one() -> None:
    by_subject = raw("Subject: Automatic reply: Printer on fire", "X-Auto-Response-Suppress: All")
    assert parse(by_subject).automatic is Automatic.OUT_OF_OFFICE
    assert parse(raw("Subject: Out of office", body="I am on holiday.\r\n")).automatic is None


async def test_row_58_mailboxes_of_ours_that_write_to_each_other_stop_at_once(store: Store, clock: FakeClock) -> None:
    desk = await inbox(store, clock)
    await desk.happen(Letter("a", "rejected own_loop", sender="Sales <sales@example.com>"))
    await desk.happen(Letter("b", "rejected own_loop", sender="SUPPORT@example.com", mailbox="sales"))
    ticket = await desk.opened("c", raw())
    letter = _letter(await desk.ticket("c"), desk.marks, clock.now())
    assert ticket.number in letter.subject
    await desk.take("d", b"Return-Path: <>\r\n" + letter.content, "rejected own_loop")
    elsewhere = letter.content.replace(b"support@example.com", b"other@people.example")
    await desk.take("e", elsewhere, "rejected own_loop")


async def test_row_59_a_bounce_of_our_acknowledgement_is_a_note_and_opens_nothing(
    store: Store, clock: FakeClock
) -> None:
    desk = await inbox(store, clock)
    await desk.happen(Letter("a", "opens"))
    await desk.happen(Letter("b", "note a", sender=DAEMON, reports="ack a", by="reported"))
    ticket = await desk.ticket("a")
    assert (ticket.state.value, len(ticket.articles)) == ("open", 1)


@pytest.mark.parametrize(
    "field", ["List-Id: <users.example.org>", "Precedence: list", "Precedence: bulk", "List-Post: <mailto:l@x.example>"]
)
async def test_row_60_a_list_gets_no_answer_and_is_rejected_where_the_mailbox_says_so(
    store: Store, clock: FakeClock, field: str
) -> None:
    desk = await inbox(store, clock)
    assert acknowledged(await desk.opened("a", raw(field))) is Reason.MAILING_LIST
    strict = await inbox(store, clock, {"automaticMail": {"lists": "reject"}})
    await strict.take("b", raw(field), "rejected automatic_mail")


async def test_row_61_every_mail_of_a_flood_of_forged_senders_is_recorded(store: Store, clock: FakeClock) -> None:
    """60 stand for the 10,000 of a minute: their number is the benchmark's business."""
    desk = await inbox(store, clock)
    letters = tuple(Letter(f"f{n}", "opens", sender=f"v{n}@victim{n}.example", text=f"{n}\n") for n in range(60))
    await desk.happen(Together(letters))
    books = await store.ledger.get_many([one.key for one in letters])
    assert all(one.decision is not None for one in books.values())
    assert len({one.decision.number for one in books.values() if one.decision}) == 60


async def test_row_61_the_budgets_hold_and_other_mailboxes_are_still_served(store: Store, tmp_path: Path) -> None:
    async with smtp_sink(tmp_path) as sink:
        budgets = Budgets(domain_per_hour=3)
        desk = await notifying.office(
            store, notifying.mailbox(sink), notifying.mailbox(sink, "requests"), budgets=budgets
        )
        flood = [notifying.ticket(n, sender=Address(address=f"v{n}@victim.example")) for n in range(12)]
        person = notifying.ticket(99, mailbox="requests")
        began = hour_of(datetime.now(UTC))
        await desk.owe(*flood, person)
        await desk.look()
        hours = hour_of(datetime.now(UTC)) - began + 1  # a new hour of the clock has a new budget
        assert (await desk.of(person)).state is State.SENT
        states = [(await desk.of(one)).state for one in flood]
        sent = states.count(State.SENT)
        assert 3 <= sent <= 3 * hours
        assert states.count(State.SUPPRESSED) == 12 - sent
        assert len(sink.taken) == sent + 1


async def test_row_62_a_mail_bomb_waits_on_the_server_and_is_drained_hour_by_hour(
    dovecot: Dovecot, store: Store
) -> None:
    """Ten mails of 50 KB at 128 KiB an hour, one by one; another mailbox is read meanwhile."""
    for number in range(10):
        dovecot.deliver(USER, mail(number, "x" * 49_998 + "\r\n"))
    limits = Limits(batch=1, bytes_per_hour=128 * 1024)
    published, now = Published(), [0.0]
    mailbox = support_mailbox(dovecot)
    async with logged_in(mailbox.spec.imap) as session:
        folder = await open_folder(session, store, mailbox, published, limits)
        folder.monotonic = lambda: now[0]
        reading = asyncio.create_task(folder.read(session, full=True))
        await eventually(lambda: _came(published, 3))
        await eventually(lambda: _is_paced(store))
        assert len(published.messages) == 3
        assert await _read_other(dovecot, store) == 1
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)
    assert len(await _hour_by_hour(dovecot, store, published, folder.pace, now)) == 10
    assert [one.raw for one in published.messages] == [mail(number, "x" * 49_998 + "\r\n") for number in range(10)]


async def _is_paced(store: Store) -> bool:
    status = await store.runtime.status("support")
    return status is not None and status.code == "bytes_of_the_hour"


async def _read_other(dovecot: Dovecot, store: Store) -> int:
    other, published = "requests@desk.example", Published()
    dovecot.deliver(other, mail(99))
    mailbox = support_mailbox(dovecot, "requests", other, USERS[other])
    async with logged_in(mailbox.spec.imap, other, USERS[other]) as session:
        await (await open_folder(session, store, mailbox, published)).read(session, full=True)
    return len(published.messages)


async def _hour_by_hour(
    dovecot: Dovecot, store: Store, published: Published, pace: Pace, now: list[float]
) -> list[str]:
    """Connect again each hour, until nothing is left; the budget outlives the connection."""
    mailbox, limits = support_mailbox(dovecot), Limits(batch=1, bytes_per_hour=128 * 1024)
    for hour in range(1, 4):
        now[0] = hour * HOUR_SECONDS
        before = len(published.messages)
        async with logged_in(mailbox.spec.imap) as session:
            folder: Folder = await open_folder(session, store, mailbox, published, limits)
            folder.monotonic, folder.pace = (lambda: now[0]), pace
            reading = asyncio.create_task(folder.read(session, full=True))
            await eventually(partial(_came, published, min(before + 3, 10)))
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)
        assert len(published.messages) <= before + 3
    return published.mail_ids


async def _came(published: Published, mails: int) -> bool:
    return len(published.messages) >= mails


def test_row_62_in_no_hour_are_more_bytes_fetched_than_the_budget_and_one_batch() -> None:
    pace, now, taken = Pace(1_000), 0.0, list[tuple[float, int]]()
    for number in range(200):
        now += pace.wait(now)
        size = 90 + number % 7 * 20
        pace.spend(size, now)
        taken.append((now, size))
        now += number % 5
    for at, _ in taken:
        assert sum(size for when, size in taken if at <= when < at + HOUR_SECONDS) <= 1_000 + 210


async def test_row_63_a_server_that_puts_off_for_ever_holds_up_nobody_else(store: Store, tmp_path: Path) -> None:
    async with smtp_sink(tmp_path / "bad") as bad, smtp_sink(tmp_path / "good") as good:
        bad.faults = [Fault.RCPT_451] * 50
        desk = await notifying.office(store, notifying.mailbox(bad), notifying.mailbox(good, "requests"))
        stuck, other = notifying.ticket(1), notifying.ticket(2, mailbox="requests")
        await desk.owe(stuck, other)
        await desk.look()
        assert ((await desk.of(stuck)).state, (await desk.of(other)).state) == (State.PENDING, State.SENT)
        assert (bad.taken, bad.most_open) == ([], 1)


async def test_row_63_a_tarpit_takes_one_connection_and_holds_up_nobody_else(store: Store, tmp_path: Path) -> None:
    async with smtp_sink(tmp_path / "slow") as slow, smtp_sink(tmp_path / "fast") as fast:
        slow.slow = 60
        patience = replace(notifying.PATIENCE, step=90, dot=90)
        boxes = notifying.mailbox(slow), notifying.mailbox(fast, "requests")
        desk = await notifying.office(store, *boxes, patience=patience)
        await desk.owe(*(notifying.ticket(n) for n in range(20)))
        await desk.lanes.look()
        async with asyncio.timeout(10):
            await slow.began.wait()
        late = notifying.ticket(1, mailbox="requests")
        await desk.owe(late)
        await desk.reaches(late, State.SENT, seconds=10)
        assert (len(fast.taken), slow.most_open) == (1, 1)
        await desk.lanes.drain(0)


async def test_row_63_what_was_dropped_after_the_dot_is_never_sent_again(store: Store, tmp_path: Path) -> None:
    async with smtp_sink(tmp_path) as sink:
        sink.faults = [Fault.DROP_AFTER_DOT]
        desk = await notifying.office(store, notifying.mailbox(sink), ttl=1)
        made = notifying.ticket()
        await desk.owe(made)
        for _ in range(5):
            await desk.look()
            await desk.keeper.recover()
        assert ((await desk.of(made)).state, len(sink.taken)) == (State.UNKNOWN, 1)


async def test_row_64_a_victim_who_is_named_as_sender_gets_nothing_where_a_server_vouches(
    store: Store, clock: FakeClock
) -> None:
    desk = await inbox(store, clock, {"authserv_id": MX})
    ticket = await desk.opened("a", raw(f"Subject: {INSULT}", sender="victim@people.example"))
    assert acknowledged(ticket, answering(authserv_id=MX)) is Reason.NOT_AUTHENTICATED


async def test_row_64_where_nobody_vouches_the_answer_has_no_word_of_the_sender(store: Store, clock: FakeClock) -> None:
    desk = await inbox(store, clock)
    fields = (f"Subject: {INSULT}", f'From: "{INSULT}" <victim@people.example>')
    ticket = await desk.opened("a", raw(*fields, body=f"{INSULT}\r\n"))
    assert acknowledged(ticket) == "victim@people.example"
    template = {"enabled": True, "subject": "{subject}", "text": "{number} {subject}"}
    letter = _letter(ticket, desk.marks, clock.now(), acknowledgements=template)
    for word in ("crooks", "pills"):
        assert word.encode() not in letter.content
        assert word not in letter.subject + letter.text


def _letter(ticket, marks, at: datetime = datetime(2026, 3, 1, tzinfo=UTC), **spec) -> Acknowledgement:
    """The acknowledgement of a ticket whose sender nobody vouches for."""
    sender = ticket.requester.address
    found = compose(ticket, answering(**spec), Answer(sender, authenticated=False), marks, Catalogue(), at)
    assert isinstance(found, Acknowledgement)
    assert identity.ticket_id(ticket.origin_mail_id) == ticket.ticket_id
    return found
