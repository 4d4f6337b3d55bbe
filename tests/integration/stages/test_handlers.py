"""Filter and ticket writer on a real store: races, repeats, decisions that somebody else took."""

import asyncio
from collections import Counter
from collections.abc import Sequence

import pytest

from services.filter import fingerprints
from services.filter.handler import Filter
from services.ticket_writer.handler import TicketWriter
from shared.contracts.codec import decode
from shared.contracts.messages import EmailAccepted, EmailClassified, EmailFetched
from shared.domain import identity
from shared.domain.decision import Kind, Reason
from shared.domain.email import Automatic, Email
from shared.domain.errors import OtherMailbox, Permanent, Transient
from shared.domain.ledger import DecisionWrite, Failure, State
from shared.domain.marks import KEY_BYTES, Marks
from shared.mail.parse import parse
from shared.observability.metrics import Metrics
from shared.runtime.configuration import Configuration
from shared.runtime.consume.outcome import Outcome
from shared.store.client import Store
from shared.store.fingerprints import Claim
from tests.support import builders
from tests.support.embedded_store import FakeClock
from tests.support.mails import mail


class Parser:
    """Parses in this process: the pool has its own contract tests."""

    async def parse(self, raws: Sequence[bytes]) -> list[Email]:
        return [parse(raw) for raw in raws]


def writer(store: Store, clock: FakeClock, metrics: Metrics) -> TicketWriter:
    return TicketWriter(store, Configuration(store, metrics), Marks([b"k" * 32]), clock, metrics, "/test")


async def filtering(store: Store, clock: FakeClock, metrics: Metrics, **domains: object) -> Filter:
    await store.mailboxes.put(builders.mailbox(domains=domains), {})
    configuration = Configuration(store, metrics)
    await configuration.refresh()
    return Filter(
        Parser(),
        store.raw,
        store.ledger,
        store.fingerprints,
        configuration,
        clock,
        "/test",
        await store.mark_keys.marks(),
    )


def fetched(mail_id: str, raw: bytes | None) -> EmailFetched:
    return EmailFetched(
        mail_id=mail_id, mailbox="support", received_at=builders.AT, fetched_at=builders.AT, size=9, raw=raw
    )


async def enter(store: Store, *mail_ids: str) -> None:
    await store.ledger.insert_many([builders.entry(one) for one in mail_ids])


def labels(results: Sequence[object]) -> list[str]:
    return [one.label if isinstance(one, Outcome) else type(one).__name__ for one in results]


async def test_two_ticket_writers_with_the_same_mails_write_each_ticket_once(
    store: Store, clock: FakeClock, metrics: Metrics
) -> None:
    """One decision wins, both execute it, the event is the same."""
    ids = [f"m{count}" for count in range(20)]
    await enter(store, *ids)
    mails = [builders.classified(one) for one in ids]
    one, other = writer(store, clock, metrics), writer(store, clock, metrics)
    results = await asyncio.gather(one.handle(mails), other.handle(list(reversed(mails))))
    assert {label for result in results for label in labels(result)} == {"ticket"}
    tickets = await store.tickets.list(limit=100)
    assert Counter(ticket.origin_mail_id for ticket in tickets) == Counter(ids)
    assert len({ticket.number for ticket in tickets}) == len(ids)
    entries = await store.ledger.get_many(ids)
    decided = {entry.decision.number for entry in entries.values() if entry.decision}
    assert decided == {ticket.number for ticket in tickets}
    assert {entry.state for entry in entries.values()} == {State.DONE}


async def test_a_repeat_in_the_same_batch_is_counted_on_the_ticket_of_its_original(
    store: Store, clock: FakeClock, metrics: Metrics
) -> None:
    """Whatever their order."""
    await enter(store, "first", "again")
    batch = [builders.classified("again", duplicate_of="first"), builders.classified("first")]
    results = await writer(store, clock, metrics).handle(batch)
    assert labels(results) == ["duplicate", "ticket"]
    ticket = await store.tickets.get(identity.ticket_id("first"))
    assert ticket is not None and ticket.duplicates == ("again",)


async def test_a_repeat_waits_for_an_original_in_flight(store: Store, clock: FakeClock, metrics: Metrics) -> None:
    """And is then counted, once, however often it is delivered."""
    await enter(store, "first", "again")
    repeat = builders.classified("again", duplicate_of="first")
    waiting = (await writer(store, clock, metrics).handle([repeat]))[0]
    assert isinstance(waiting, Transient)
    await writer(store, clock, metrics).handle([builders.classified("first")])
    for _ in range(2):
        assert labels(await writer(store, clock, metrics).handle([repeat])) == ["duplicate"]
    ticket = await store.tickets.get(identity.ticket_id("first"))
    assert ticket is not None and ticket.duplicates == ("again",)


async def test_a_rejection_that_was_written_before_stands(store: Store, clock: FakeClock, metrics: Metrics) -> None:
    """No ticket beside it."""
    await enter(store, "m1")
    await store.ledger.decide_many([DecisionWrite(mail_id="m1", decision=builders.decision(), trace=())])
    assert labels(await writer(store, clock, metrics).handle([builders.classified("m1")])) == ["rejected"]
    assert await store.tickets.count() == 0


async def test_a_mail_that_the_ledger_does_not_know_makes_no_ticket(
    store: Store, clock: FakeClock, metrics: Metrics
) -> None:
    """Its message cannot be ours."""
    result = (await writer(store, clock, metrics).handle([builders.classified("stranger")]))[0]
    assert isinstance(result, Permanent)
    assert await store.tickets.count() == 0


async def test_the_filter_writes_rejections_with_their_event_and_passes_the_rest_on(
    store: Store, clock: FakeClock, metrics: Metrics
) -> None:
    """Each with its trace; a large mail is read from the raw store."""
    stage = await filtering(store, clock, metrics, blockedSenders=["*@spam.example"])
    await enter(store, "bad", "good", "large")
    await store.raw.put_many({"large": mail(sender="bob@example.org", subject="Large")})
    batch = [fetched("bad", mail(sender="x@spam.example")), fetched("good", mail()), fetched("large", None)]
    results = await stage.handle(batch)
    assert sorted(labels(results)) == ["accepted", "accepted", "rejected"]
    bad = await store.ledger.get("bad")
    assert bad is not None and bad.decision is not None
    assert (bad.decision.kind, bad.decision.reason) == (Kind.REJECTED, Reason.BLOCKED_SENDER)
    assert [step.rule for step in bad.trace] == ["own_loop", "blocked_sender"]
    assert bad.state is State.DECIDED
    await stage.settle(batch, results)
    bad = await store.ledger.get("bad")
    assert bad is not None and bad.state is State.DONE
    large = results[2]
    assert isinstance(large, Outcome)
    passed = decode(large.publish[0].envelope)
    assert isinstance(passed, EmailAccepted) and passed.email.subject == "Large"


async def test_a_mail_that_has_its_ticket_is_passed_on_though_todays_rules_would_reject_it(
    store: Store, clock: FakeClock, metrics: Metrics
) -> None:
    """A re-published mail: the decision that stands is executed, not taken anew."""
    stage = await filtering(store, clock, metrics, blockedSenders=["*@spam.example"])
    await enter(store, "m1")
    await writer(store, clock, metrics).handle([builders.classified("m1")])
    assert labels(await stage.handle([fetched("m1", mail(sender="x@spam.example"))])) == ["accepted"]


async def test_two_filters_with_two_copies_agree_on_the_original(
    store: Store, clock: FakeClock, metrics: Metrics
) -> None:
    """The claim decides, not the look-up."""
    stage = await filtering(store, clock, metrics, allowDuplicates=False)
    await enter(store, "one", "two")
    raw = mail(subject="Same")
    results = await asyncio.gather(stage.handle([fetched("one", raw)]), stage.handle([fetched("two", raw)]))
    named: list[str | None] = []
    for outcome in (result[0] for result in results):
        assert isinstance(outcome, Outcome)
        passed = decode(outcome.publish[0].envelope)
        assert isinstance(passed, EmailAccepted)
        named.append(passed.duplicate_of)
    assert named in ([None, "one"], ["two", None])


@pytest.mark.parametrize("again", [1, 3])
async def test_a_mail_is_never_a_repeat_of_itself(store: Store, clock: FakeClock, metrics: Metrics, again: int) -> None:
    """Delivered again by the broker, it claims its own fingerprint again."""
    stage = await filtering(store, clock, metrics, allowDuplicates=False)
    await enter(store, "m1")
    for _ in range(again + 1):
        outcome = (await stage.handle([fetched("m1", mail())]))[0]
        assert isinstance(outcome, Outcome)
        passed = decode(outcome.publish[0].envelope)
        assert isinstance(passed, EmailAccepted) and not isinstance(passed, EmailClassified)
        assert passed.duplicate_of is None


async def test_a_mail_quarantined_after_its_decision_is_final_once_replayed(
    store: Store, clock: FakeClock, metrics: Metrics
) -> None:
    """The decision it had stands; it is not put back for ever."""
    await enter(store, "m1")
    await writer(store, clock, metrics).handle([builders.classified("m1")])
    await store.ledger.insert_many([builders.entry("m2")])
    number = "INC-000900"
    taken = builders.decision(kind=Kind.TICKET, ticket_id=identity.ticket_id("m2"), number=number, module="ticket")
    await store.ledger.decide_many([DecisionWrite(mail_id="m2", decision=taken, trace=())])
    await store.ledger.quarantine("m2", Failure(stage="x", code="x", what="x", at=clock.now()))
    assert await store.ledger.replay("m2")
    assert labels(await writer(store, clock, metrics).handle([builders.classified("m2")])) == ["ticket"]
    entry = await store.ledger.get("m2")
    assert entry is not None and entry.state is State.DONE
    ticket = await store.tickets.by_number(number)
    assert ticket is not None and ticket.origin_mail_id == "m2"


async def test_a_rejection_replayed_from_quarantine_is_final_at_once(
    store: Store, clock: FakeClock, metrics: Metrics
) -> None:
    """It owes nothing, so nothing can be waited for."""
    await enter(store, "m1")
    await store.ledger.decide_many([DecisionWrite(mail_id="m1", decision=builders.decision(), trace=())])
    await store.ledger.quarantine("m1", Failure(stage="x", code="x", what="x", at=clock.now()))
    assert await store.ledger.replay("m1")
    assert labels(await writer(store, clock, metrics).handle([builders.classified("m1")])) == ["rejected"]
    entry = await store.ledger.get("m1")
    assert entry is not None and entry.state is State.DONE


async def test_a_stale_message_of_a_quarantined_mail_does_nothing_and_harms_no_neighbour(
    store: Store, clock: FakeClock, metrics: Metrics
) -> None:
    """Until somebody replays it."""
    await enter(store, "q", "m1")
    await store.ledger.quarantine("q", Failure(stage="x", code="x", what="x", at=clock.now()))
    batch = [builders.classified("q"), builders.classified("m1")]
    assert labels(await writer(store, clock, metrics).handle(batch)) == ["quarantined", "ticket"]
    ticket = await store.tickets.get(identity.ticket_id("m1"))
    assert ticket is not None and ticket.number == "INC-000001", "no number was spent on the other"


async def test_copies_of_which_one_lost_its_filter_between_two_claims_do_not_name_each_other(
    store: Store, clock: FakeClock, metrics: Metrics
) -> None:
    """Who loses the first fingerprint claims nothing more, so the second is still there for the original."""
    stage = await filtering(store, clock, metrics, allowDuplicates=False)
    await enter(store, "one", "two")
    raw = mail(subject="Same")
    first, _ = fingerprints.keys("support", parse(raw))
    await store.fingerprints.owners([Claim(key=first.key, mail_id="one", at=builders.AT)])
    named: dict[str, str | None] = {}
    for mail_id in ("two", "one"):
        outcome = (await stage.handle([fetched(mail_id, raw)]))[0]
        assert isinstance(outcome, Outcome)
        passed = decode(outcome.publish[0].envelope)
        assert isinstance(passed, EmailAccepted)
        named[passed.mail_id] = passed.duplicate_of
    assert named == {"two": "one", "one": None}


async def test_a_mail_of_which_only_the_beginning_was_taken_says_so(
    store: Store, clock: FakeClock, metrics: Metrics
) -> None:
    """A mail over the limit is never silently cut."""
    stage = await filtering(store, clock, metrics)
    await enter(store, "m1")
    message = fetched("m1", mail()).model_copy(update={"size": 60_000_000})
    outcome = (await stage.handle([message]))[0]
    assert isinstance(outcome, Outcome)
    passed = decode(outcome.publish[0].envelope)
    assert isinstance(passed, EmailAccepted)
    assert "original_left_on_server" in passed.email.flags
    assert passed.trace[0].rule == "too_large"


def accepted(result: object) -> EmailAccepted:
    assert isinstance(result, Outcome)
    passed = decode(result.publish[0].envelope)
    assert isinstance(passed, EmailAccepted)
    return passed


async def test_a_made_up_mark_of_ours_is_flagged_and_counts_for_nothing(
    store: Store, clock: FakeClock, metrics: Metrics
) -> None:
    """The keys are the store's: a marker of another system is made up here."""
    stage = await filtering(store, clock, metrics)
    marks, theirs = await store.mark_keys.marks(), Marks([b"t" * KEY_BYTES])
    await enter(store, "made-up", "genuine")
    made_up = mail(headers={"X-Ticket-Loop": theirs.loop_marker(identity.ticket_id("m0"))})
    genuine = mail(headers={"X-Ticket-Loop": marks.loop_marker(identity.ticket_id("m0"))})
    results = await stage.handle([fetched("made-up", made_up), fetched("genuine", genuine)])
    assert labels(results) == ["accepted", "rejected"]
    assert "forged_mark" in accepted(results[0]).email.flags
    entry = await store.ledger.get("genuine")
    assert entry is not None and entry.decision is not None
    assert entry.decision.reason is Reason.OWN_LOOP


async def test_two_answers_that_say_thanks_are_two_and_one_delivered_twice_is_one(
    store: Store, clock: FakeClock, metrics: Metrics
) -> None:
    """Only mail that answers nothing of ours repeats by what it says."""
    stage = await filtering(store, clock, metrics, allowDuplicates=False)
    answers = {"In-Reply-To": (await store.mark_keys.marks()).message_id(identity.ticket_id("m0"), "example.com")}
    first, second = (mail(text="Thanks", headers=answers) for _ in range(2))
    plain, again = mail(text="Thanks"), mail(text="Thanks")
    await enter(store, *"abcde")
    batch = [fetched(*one) for one in zip("abcde", (first, second, first, plain, again), strict=True)]
    named = [accepted(one).duplicate_of for one in await stage.handle(batch)]
    assert named == [None, None, "a", None, "d"]


async def test_a_bounce_of_our_acknowledgement_passes_a_filter_that_takes_no_bounces(
    store: Store, clock: FakeClock, metrics: Metrics
) -> None:
    """And one about another mail does not."""
    ours = (await store.mark_keys.marks()).message_id(identity.ticket_id("m0"), "example.com")
    await store.mailboxes.put(builders.mailbox(automatic_mail={"bounces": "reject"}), {})
    configuration = Configuration(store, metrics)
    await configuration.refresh()
    parts = (Parser(), store.raw, store.ledger, store.fingerprints, configuration, clock, "/test")
    stage = Filter(*parts, await store.mark_keys.marks())
    await enter(store, "ours", "theirs")
    bounces = {
        name: f"Return-Path: <>\nFrom: MAILER-DAEMON@mx.example.org\n\nMessage-ID: {about}\n".encode()
        for name, about in (("ours", ours), ("theirs", "<news@example.com>"))
    }
    results = await stage.handle([fetched(*one) for one in bounces.items()])
    assert labels(results) == ["accepted", "rejected"]
    entry = await store.ledger.get("theirs")
    assert entry is not None and entry.decision is not None
    assert entry.decision.reason is Reason.AUTOMATIC_MAIL
    passed = accepted(results[0]).email
    assert (passed.automatic, passed.reported_ids) == (Automatic.BOUNCE, (ours,))


@pytest.mark.row(84)
@pytest.mark.parametrize("decided", [False, True])
async def test_a_message_that_puts_a_mail_into_another_mailbox_decides_nothing(
    store: Store, clock: FakeClock, metrics: Metrics, *, decided: bool
) -> None:
    """Neither its ticket nor its rejection, whose event would go to the other one; its neighbour is handled."""
    await store.ledger.insert_many([builders.entry("m1", mailbox_name="theirs"), builders.entry("m2")])
    if decided:
        await store.ledger.decide_many([DecisionWrite(mail_id="m1", decision=builders.decision(), trace=())])
    before = await store.ledger.get("m1")
    tickets = writer(store, clock, metrics)
    assert labels(await tickets.handle([builders.classified("m1"), builders.classified("m2")])) == [
        "OtherMailbox",
        "ticket",
    ]
    stage = await filtering(store, clock, metrics, blockedSenders=["*@spam.example"])
    (result,) = await stage.handle([fetched("m1", mail(sender="x@spam.example"))])
    assert isinstance(result, OtherMailbox)
    assert await store.ledger.get("m1") == before
    assert {one.origin_mail_id for one in await store.tickets.list(limit=10)} == {"m2"}
