"""Hostile inputs, rows 39 to 55: who wrote a mail, and which ticket it belongs to. Every stage is the real one."""

from datetime import UTC, datetime

import pytest

from services.all_in_one.demo.dovecot import Dovecot
from services.notifier.compose import compose
from services.notifier.conditions.condition import Reason
from services.notifier.decide import Answer
from shared.domain import identity
from shared.domain.access import Role
from shared.domain.catalogue import Catalogue
from shared.domain.email import SenderStatus, Source
from shared.mail.parse import parse
from shared.store.client import Store
from tests.support.console import Console
from tests.support.console_fixtures import console, empty
from tests.support.conversations import EVE, STRANGERS_KEY, Letter, Together
from tests.support.cost import within
from tests.support.embedded_store import FakeClock
from tests.support.fetching import Published, open_folder, support_mailbox
from tests.support.imap import USER, logged_in
from tests.support.wild import MX, Wild, acknowledged, answering, inbox, raw

__all__ = ["console", "empty"]

OK, AMBIGUOUS, MISSING = SenderStatus.OK, SenderStatus.AMBIGUOUS, SenderStatus.MISSING
A = Letter("a", "opens")
NO_DUPLICATES = {"domains": {"allowDuplicates": False}}


@pytest.mark.parametrize(
    ("field", "status", "address"),
    [
        ("alice@example.org(<bob@example.org>", AMBIGUOUS, None),
        (")<", AMBIGUOUS, None),
        ("<<a>>", AMBIGUOUS, None),
        ("a@b@c", AMBIGUOUS, None),
        ("a@[127.0.0.1]", AMBIGUOUS, None),
        ('"a b"@example.org', AMBIGUOUS, None),
        ('"a\\"b"@c.example', OK, '"a\\"b"@c.example'),
        ("alice@example.org, <bob@example.org>", AMBIGUOUS, None),
        ("alice@example.org <bob@example.org>", AMBIGUOUS, None),
        ("alice@exam ple.org", AMBIGUOUS, None),
        ("<alice@example.org", AMBIGUOUS, None),
        ("alice@example.org\x00", AMBIGUOUS, None),
    ],
)
def test_row_39_an_address_is_read_exactly_or_not_at_all(field: str, status: SenderStatus, address: str | None) -> None:
    found = parse(raw(f"From: {field}"))
    assert (found.sender_status, found.sender and found.sender.address) == (status, address)


async def test_row_40_the_sender_is_the_address_however_the_display_name_poses(store: Store, clock: FakeClock) -> None:
    desk = await inbox(store, clock)
    ticket = await desk.opened("a", raw('From: "ceo@bank.example" <x@evil.example>'))
    assert ticket.requester is not None
    assert (ticket.requester.address, ticket.requester.display) == ("x@evil.example", "ceo@bank.example")
    assert "sender_display_address" in ticket.flags
    assert ticket.participants == ("x@evil.example",)
    assert acknowledged(ticket) == "x@evil.example"


@pytest.mark.parametrize(
    ("fields", "status", "reason"),
    [
        (("From: a@evil.example", "From: b@evil.example"), AMBIGUOUS, Reason.AMBIGUOUS_SENDER),
        (("From: a@evil.example", "From: a@evil.example"), AMBIGUOUS, Reason.AMBIGUOUS_SENDER),
        (("From: a@evil.example, b@evil.example",), AMBIGUOUS, Reason.AMBIGUOUS_SENDER),
        (("From: friends: a@evil.example;",), AMBIGUOUS, Reason.AMBIGUOUS_SENDER),
        (("From: <>",), MISSING, Reason.NO_SENDER),
        (("From:",), MISSING, Reason.NO_SENDER),
    ],
)
async def test_row_41_a_sender_in_doubt_gets_a_ticket_no_answer_and_joins_nothing(
    store: Store, clock: FakeClock, fields: tuple[str, ...], status: SenderStatus, reason: Reason
) -> None:
    desk = await inbox(store, clock)
    await desk.happen(A)
    answer = f"In-Reply-To: {desk.marks.message_id(identity.ticket_id('a'), 'example.com')}"
    ticket = await desk.opened("b", raw(*fields, answer), "opens, perhaps a")
    assert (ticket.requester, ticket.participants, ticket.answerable.sender_status) == (None, (), status)
    assert acknowledged(ticket) is reason
    assert await desk.conversation("a") == []


async def test_row_41_a_mail_without_from_gets_a_ticket_and_no_answer(store: Store, clock: FakeClock) -> None:
    desk = await inbox(store, clock)
    ticket = await desk.opened("a", raw(without=("From",)))
    assert "sender_missing" in ticket.flags
    assert acknowledged(ticket) is Reason.NO_SENDER


async def test_row_42_only_from_is_answered_whatever_the_other_fields_ask_for(store: Store, clock: FakeClock) -> None:
    many = ", ".join(f"victim{n}@evil.example" for n in range(500))
    fields = ("Sender: s@evil.example", "Return-Path: <r@evil.example>", f"Reply-To: {many}")
    desk = await inbox(store, clock)
    ticket = await desk.opened("a", raw(*fields))
    assert len(ticket.answerable.reply_to) <= 10
    assert acknowledged(ticket) == "ann@people.example"


async def test_row_42_a_reply_to_that_is_our_own_mailbox_gets_no_answer(store: Store, clock: FakeClock) -> None:
    desk = await inbox(store, clock)
    ticket = await desk.opened("a", raw("Reply-To: sales@example.com"))
    assert acknowledged(ticket) is Reason.OWN_ADDRESS


@pytest.mark.parametrize(
    "field",
    [
        "=?utf-8?q?a=40b?=c@host.example",
        "=?utf-8?q?a=40evil.example?=@host.example",
        "<=?utf-8?b?YUBldmlsLmV4YW1wbGU=?=>",
        "=?utf-8?q?=3Ca=40evil.example=3E?=",
    ],
)
def test_row_43_an_encoded_word_is_never_decoded_into_an_address(field: str) -> None:
    assert (parse(raw(f"From: {field}")).sender_status, parse(raw(f"From: {field}")).sender) == (AMBIGUOUS, None)


@pytest.mark.parametrize(
    ("field", "address", "flagged"),
    [
        ("x@pаypal.example", "x@xn--pypal-4ve.example", True),
        ("x@xn--pypal-4ve.example", "x@xn--pypal-4ve.example", True),
        ("X@PEOPLE.EXAMPLE", "x@people.example", False),
        ("x@people.example.", "x@people.example", False),
        ("jörg@people.example", "jörg@people.example", True),
        ("x@müller.example", "x@xn--mller-kva.example", True),
        (f"{'a' * 300}@people.example", None, False),
        (f"x@{'a' * 64}.example", None, False),
    ],
)
def test_row_44_a_foreign_domain_is_kept_in_ascii_and_flagged(field: str, address: str | None, flagged: bool) -> None:
    found = parse(raw(f"From: {field}"))
    assert (found.sender and found.sender.address) == address
    assert ("sender_idn" in found.flags) is flagged


def test_row_45_of_20_000_recipients_500_are_kept_in_no_time() -> None:
    mail = raw("Cc: " + ",\r\n ".join(f"c{n}@evil.example" for n in range(20_000)))
    found = within(600, lambda: parse(mail))
    assert len(found.recipients) == 500
    assert found.recipients[0].source is Source.TO
    assert {"too_many_addresses", "header_too_long"} & set(found.flags)


@pytest.mark.parametrize(
    "fields",
    [
        (),
        ("Message-ID: <one@x>", "Message-ID: <two@x>"),
        ("Message-ID:",),
        ("Message-ID: bare@x",),
        (f"Message-ID: <{'i' * 10_000}@x>",),
        ("Message-ID: <ünïcode@x>",),
        ("Message-ID: <with blanks @x>",),
        ("Message-ID: <>",),
    ],
)
async def test_row_46_any_message_id_makes_a_ticket(store: Store, clock: FakeClock, fields: tuple[str, ...]) -> None:
    desk = await inbox(store, clock, NO_DUPLICATES)
    first = await desk.opened("a", raw(*fields, "Subject: one", without=("Message-ID",)))
    second = await desk.opened("b", raw(*fields, "Subject: two", without=("Message-ID",), body="Another.\r\n"))
    assert first.number != second.number


async def test_row_47_a_known_message_id_with_other_words_is_a_second_ticket(store: Store, clock: FakeClock) -> None:
    desk = await inbox(store, clock, NO_DUPLICATES)
    await desk.opened("a", raw("Message-ID: <same@x>"))
    await desk.opened("b", raw("Message-ID: <same@x>", body="Another.\r\n"))


async def test_row_48_an_identical_mail_is_counted_on_the_first_ones_ticket(store: Store, clock: FakeClock) -> None:
    desk = await inbox(store, clock, NO_DUPLICATES)
    await desk.opened("a", raw())
    await desk.take("b", raw(), "duplicate a")
    assert (await desk.ticket("a")).duplicates == ("b",)


@pytest.mark.timeout(300)
async def test_row_49_the_same_alarm_1_000_times_is_1_000_mails_in_the_books(dovecot: Dovecot, store: Store) -> None:
    """Identical bytes of one second, and no Message-ID that could tell them apart."""
    alarm, second = raw(without=("Message-ID",)), datetime(2026, 3, 1, 12, tzinfo=UTC)
    for _ in range(1_000):
        dovecot.deliver(USER, alarm, received=second)
    published, mailbox = Published(), support_mailbox(dovecot)
    async with logged_in(mailbox.spec.imap) as session:
        await (await open_folder(session, store, mailbox, published)).read(session, full=True)
    assert len(set(published.mail_ids)) == 1_000
    assert len(await store.ledger.get_many(published.mail_ids)) == 1_000


async def test_row_49_each_of_many_equal_alarms_has_its_own_end(store: Store, clock: FakeClock) -> None:
    alarm = raw(without=("Message-ID",))
    desk = await inbox(store, clock, NO_DUPLICATES)
    await desk.opened("a", alarm)
    keys = [f"k{number}" for number in range(40)]
    await desk.happen(Together(tuple(Wild(key, "duplicate a", given=alarm) for key in keys)))
    assert set((await desk.ticket("a")).duplicates) == set(keys)


def test_row_50_of_5_000_references_the_first_100_count() -> None:
    found = parse(raw("References: " + "\r\n ".join(f"<r{n}@people.example>" for n in range(5_000))))
    assert found.references == tuple(f"<r{n}@people.example>" for n in range(100))


async def test_row_50_a_false_token_matches_nothing_and_is_flagged(store: Store, clock: FakeClock) -> None:
    desk = await inbox(store, clock)
    await desk.happen(A)
    forged = STRANGERS_KEY.message_id(identity.ticket_id("a"), "example.com")
    ticket = await desk.opened("b", raw(f"References: <b@x> {forged} <b@x>", f"In-Reply-To: {forged}"))
    assert "forged_mark" in ticket.flags
    assert ticket.related is None


async def test_row_51_a_stranger_who_answers_opens_his_own_ticket_and_is_sent_no_history(
    store: Store, clock: FakeClock
) -> None:
    desk = await inbox(store, clock)
    await desk.happen(A)
    stranger = Letter("b", "opens, perhaps a", sender=EVE, cc="mallory@evil.example", answers="a", text="Me too.\n")
    await desk.happen(stranger)
    first, own = await desk.ticket("a"), await desk.ticket("b")
    assert first.participants == ("ann@people.example",)
    assert own.participants == ("eve@evil.example",)
    assert await desk.conversation("a") == []
    letter = compose(
        own, answering(), Answer("eve@evil.example", authenticated=False), desk.marks, Catalogue(), clock.now()
    )
    said = letter.content.decode()  # type: ignore[union-attr]
    assert first.number not in said
    assert "It burns" not in said and "Printer on fire" not in said


@pytest.mark.parametrize("subject", ["[#1234] x", "[#1234][#5678] x", "[INC-000001] x", "Re: INC-000001"])
async def test_row_52_a_number_in_a_subject_leads_nowhere(store: Store, clock: FakeClock, subject: str) -> None:
    desk = await inbox(store, clock)
    await desk.happen(A)
    await desk.opened("b", raw(f"Subject: {subject}", sender=EVE))
    await desk.opened("c", raw(f"Subject: {subject}"))


async def test_row_52_our_tag_never_leads_to_another_mailbox_or_a_deleted_ticket(
    store: Store, clock: FakeClock
) -> None:
    desk = await inbox(store, clock)
    await desk.happen(A)
    tag = desk.marks.tag(desk.numbers["a"])
    await desk.happen(Letter("b", "opens", to="sales@example.com", mailbox="sales", subject=f"[{tag}] x"))
    await desk.store.collection("tickets").delete({"_id": identity.ticket_id("a")})
    await desk.happen(Letter("c", "opens", subject=f"[{tag}] x"))


async def test_row_53_a_reply_before_its_parent_is_one_conversation(store: Store, clock: FakeClock) -> None:
    desk = await inbox(store, clock)
    early = Letter("b", "reply a", answers="a", text="More.\n")
    await desk.happen(Together((early, A)))
    assert [one.article.mail_id for one in await desk.conversation("a")] == ["b"]


async def test_row_53_three_replies_at_once_to_a_closed_ticket_reopen_it_once(store: Store, clock: FakeClock) -> None:
    desk = await inbox(store, clock)
    await desk.happen(A)
    assert await store.tickets.close(identity.ticket_id("a"), clock.now())
    await desk.happen(Together(tuple(Letter(key, "reply a", answers="ack a", text=key) for key in "bcd")))
    ticket = await desk.ticket("a")
    assert (ticket.state.value, len(ticket.reopened_by), ticket.closings) == ("open", 1, 1)
    appended = await desk.conversation("a")
    assert sorted(one.article.mail_id for one in appended) == ["b", "c", "d"]
    assert sum(one.reopened for one in appended) == 1


PASSES = f"Authentication-Results: {MX}; dmarc=pass header.from=people.example"
RECEIVED = "Received: from there by here; Mon, 02 Mar 2026 10:00:00 +0000"
ALIGNED = {"authserv_id": MX, "domains": {"requireAlignedSender": True}}


@pytest.mark.parametrize(
    ("fields", "hops", "end"),
    [
        ((PASSES,), 0, "opens"),
        ((RECEIVED, PASSES), 0, "rejected sender_not_aligned"),
        ((RECEIVED, PASSES), 1, "opens"),
        ((RECEIVED, RECEIVED, PASSES), 1, "rejected sender_not_aligned"),
        ((PASSES.replace(MX, "mx.evil.example"),), 0, "rejected sender_not_aligned"),
        ((PASSES.replace("people", "evil"),), 0, "rejected sender_not_aligned"),
        ((f"ARC-Authentication-Results: i=1; {MX}; dmarc=pass header.from=people.example",), 0, "rejected"),
        ((PASSES.replace("Authentication", "X-Authentication"), "X-Spam-Status: No"), 0, "rejected"),
        ((), 0, "rejected sender_not_aligned"),
    ],
)
async def test_row_54_only_results_of_our_server_above_what_came_in_are_believed(
    store: Store, clock: FakeClock, fields: tuple[str, ...], hops: int, end: str
) -> None:
    desk = await inbox(store, clock, {**ALIGNED, "authserv_hops": hops})
    await desk.take("a", raw(*fields), "rejected sender_not_aligned" if end == "rejected" else end)
    entry = await store.ledger.get("a")
    assert entry is not None
    (told,) = [one.looked_at for one in entry.trace if one.rule == "sender_not_aligned"]
    assert (told["server"], told["sender"]) == (MX, "pass" if end == "opens" else "none")


async def test_row_54_the_verdict_stays_with_each_mail_and_decides_on_its_answer(
    store: Store, clock: FakeClock
) -> None:
    desk = await inbox(store, clock, {"authserv_id": MX})
    box = answering(authserv_id=MX)
    forged = await desk.opened("a", raw(RECEIVED, PASSES))
    genuine = await desk.opened("b", raw(PASSES.replace("dmarc", "spf=softfail; dmarc"), RECEIVED))
    said = [one.articles[0].authentication for one in (forged, genuine)]
    assert [one and (one.spf, one.dmarc, one.sender.value) for one in said] == [
        ("none", "none", "none"),
        ("softfail", "pass", "pass"),
    ]
    assert acknowledged(forged, box) is Reason.NOT_AUTHENTICATED
    assert acknowledged(genuine, box) == "ann@people.example"


async def test_row_54_a_forged_loop_header_counts_for_nothing_and_ours_rejects(store: Store, clock: FakeClock) -> None:
    desk = await inbox(store, clock)
    forged, ours = (keys.loop_marker(identity.ticket_id("x")) for keys in (STRANGERS_KEY, desk.marks))
    ticket = await desk.opened("a", raw(f"X-Ticket-Loop: {forged}"))
    assert "forged_mark" in ticket.flags
    assert acknowledged(ticket) is Reason.LOOP_MARKER
    await desk.take("b", raw(f"X-Ticket-Loop: {ours}"), "rejected own_loop")


async def test_rows_40_44_and_54_the_page_of_a_ticket_tells_who_wrote_and_who_says_so(console: Console) -> None:
    desk = await inbox(console.store, console.clock, {"authserv_id": MX})
    posing = await desk.opened("a", raw(RECEIVED, PASSES, 'From: "ceo@bank.example" <x@pаypal.example>'))
    genuine = await desk.opened("b", raw(PASSES))
    async with await console.signed_in(Role.VIEWER) as person:
        page = (await person.get(f"/tickets/{posing.number}")).text
        other = (await person.get(f"/tickets/{genuine.number}")).text
        (told,) = (await person.get(f"/api/v1/tickets/{genuine.number}")).json()["conversation"]
    assert "<strong>ceo@bank.example</strong> <small>x@xn--pypal-4ve.example</small>" in page
    assert "Sender display address, Sender idn" in page
    assert "Nobody vouches" in page and f"{MX}: SPF none, DKIM none, DMARC none" in page
    assert "Sender confirmed" in other and "DMARC pass" in other
    assert told["authentication"] == {"server": MX, "spf": "none", "dkim": "none", "dmarc": "pass", "sender": "pass"}


@pytest.mark.parametrize("date", ["Thu, 01 Jan 1970 00:00:00 +0000", "Fri, 31 Dec 2099 23:59:59 +0000", "soon", None])
async def test_row_55_our_clock_counts_whatever_the_date_says(store: Store, clock: FakeClock, date: str | None) -> None:
    desk = await inbox(store, clock)
    late = "Received: from a by b; Mon, 02 Mar 2099 10:00:00 +0000"
    early = "Received: from c by a; Mon, 02 Mar 1999 10:00:00 +0000"
    given = raw(late, early, *([f"Date: {date}"] if date else []))
    ticket = await desk.opened("a", given)
    assert (ticket.received_at, ticket.created_at) == (desk.arrived["a"], clock.now())
    assert ("bad_date" in ticket.flags) is (date == "soon")
    assert await store.raw.get("a") == given
    found = parse(given).date
    assert (found and found.year) == {"T": 1970, "F": 2099}.get((date or "")[:1])
