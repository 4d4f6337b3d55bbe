"""A replay of a rejected mail through the real stages: a new version of its decision, safe against old messages."""

from shared.contracts.codec import decode
from shared.contracts.events import MAIL_REJECTED
from shared.contracts.messages import EmailAccepted, EmailClassified, EmailFetched
from shared.domain import identity
from shared.domain.decision import Kind, Overruling, Reason, Verdict
from shared.domain.ledger import DecisionWrite, LedgerEntry, Replay, State
from shared.domain.marks import Marks
from shared.observability.metrics import Metrics
from shared.runtime.consume.outcome import Outcome
from shared.store.client import Store
from tests.integration.stages.test_handlers import enter, fetched, filtering, labels, writer
from tests.support import builders
from tests.support.embedded_store import FakeClock
from tests.support.mails import mail

ORDER = Replay(who="cli ada", why="A customer.", at=builders.AT)
SPAM = mail(sender="x@spam.example")


async def entry_of(store: Store, mail_id: str = "m1") -> LedgerEntry:
    found = await store.ledger.get(mail_id)
    assert found is not None
    return found


async def reject(store: Store, clock: FakeClock, metrics: Metrics) -> None:
    """Take the mail to its end: rejected, its event published."""
    stage = await filtering(store, clock, metrics, blockedSenders=["*@spam.example"])
    await enter(store, "m1")
    results = await stage.handle([fetched("m1", SPAM)])
    await stage.settle([fetched("m1", SPAM)], results)
    assert (await entry_of(store)).state is State.DONE


def again(**changes: object) -> EmailFetched:
    return fetched("m1", SPAM).model_copy(update={"decision_version": 2, **changes})


async def test_a_second_rejection_is_version_two_with_an_event_of_its_own(
    store: Store, clock: FakeClock, metrics: Metrics
) -> None:
    await reject(store, clock, metrics)
    assert await store.ledger.reopen(await entry_of(store), ORDER)
    stage = await filtering(store, clock, metrics, approvedDomainsOnly=True, approvedDomains=["example.org"])
    (outcome,) = await stage.handle([again()])
    assert isinstance(outcome, Outcome)
    ids = {outcome.publish[0].envelope.message_id}
    assert ids == {identity.event_id("m1", MAIL_REJECTED, 2)} != {identity.event_id("m1", MAIL_REJECTED, 1)}
    entry = await entry_of(store)
    assert entry.decision is not None and (entry.decision.version, entry.decision.reason) == (
        2,
        Reason.DOMAIN_NOT_APPROVED,
    )
    assert [(one.decision.version, one.decision.reason) for one in entry.history] == [(1, Reason.BLOCKED_SENDER)]
    assert entry.history[0].trace and entry.history[0].replay == ORDER


async def test_a_message_from_before_the_replay_decides_nothing_and_harms_nothing(
    store: Store, clock: FakeClock, metrics: Metrics
) -> None:
    """The broker may deliver it again at any time: here in the filter, and in the ticket writer."""
    await reject(store, clock, metrics)
    assert await store.ledger.reopen(await entry_of(store), ORDER)
    stage = await filtering(store, clock, metrics, blockedSenders=["*@spam.example"])
    assert labels(await stage.handle([fetched("m1", SPAM)])) == ["superseded"]
    assert labels(await writer(store, clock, metrics).handle([builders.classified("m1")])) == ["superseded"]
    entry = await entry_of(store)
    assert (entry.state, entry.decision, entry.attempts) == (State.STORED, None, 0)
    assert await store.tickets.count() == 0
    assert await store.counters.take("ticket") == 1, "it took no number"


async def test_an_old_consumer_that_settles_late_does_not_swallow_the_new_event(
    store: Store, clock: FakeClock, metrics: Metrics
) -> None:
    await reject(store, clock, metrics)
    stage = await filtering(store, clock, metrics, blockedSenders=["*@spam.example"])
    late = await stage.handle([fetched("m1", SPAM)])
    assert await store.ledger.reopen(await entry_of(store), ORDER)
    await stage.handle([again()])
    await stage.settle([fetched("m1", SPAM)], late)
    assert (await entry_of(store)).state is State.DECIDED
    clock.advance(seconds=60)
    ((_, event),) = await store.ledger.pending_outbox(clock.now(), 10)
    assert event.event_id == identity.event_id("m1", MAIL_REJECTED, 2)


async def test_a_replay_under_kinder_rules_makes_the_ticket(store: Store, clock: FakeClock, metrics: Metrics) -> None:
    await reject(store, clock, metrics)
    assert await store.ledger.reopen(await entry_of(store), ORDER)
    stage = await filtering(store, clock, metrics)
    (outcome,) = await stage.handle([again()])
    assert isinstance(outcome, Outcome)
    passed = decode(outcome.publish[0].envelope)
    assert isinstance(passed, EmailAccepted) and passed.decision_version == 2
    classified = EmailClassified(
        **{name: getattr(passed, name) for name in EmailAccepted.model_fields},
        catalogue_revision=1,
        classification=builders.classified().classification,
    )
    assert labels(await writer(store, clock, metrics).handle([classified])) == ["ticket"]
    entry = await entry_of(store)
    assert entry.decision is not None and (entry.decision.kind, entry.decision.version) == (Kind.TICKET, 2)
    assert entry.state is State.DONE


async def test_an_overruled_mail_passes_the_filter_and_its_trace_says_who_and_why(
    store: Store, clock: FakeClock, metrics: Metrics
) -> None:
    await reject(store, clock, metrics)
    assert await store.ledger.reopen(await entry_of(store), ORDER.model_copy(update={"as_ticket": True}))
    stage = await filtering(store, clock, metrics, blockedSenders=["*@spam.example"])
    (outcome,) = await stage.handle([again(overruling=Overruling(who="cli ada", why="A customer."))])
    assert isinstance(outcome, Outcome) and outcome.label == "accepted"
    passed = decode(outcome.publish[0].envelope)
    assert isinstance(passed, EmailAccepted)
    rules = {one.rule: one for one in passed.trace}
    assert rules["blocked_sender"].verdict is Verdict.REJECTED
    assert rules["overruled"].looked_at == {"rejected": "blocked_sender", "who": "cli ada", "why": "A customer."}


async def test_of_two_people_who_replay_a_mail_at_once_one_does(
    store: Store, clock: FakeClock, metrics: Metrics
) -> None:
    await reject(store, clock, metrics)
    seen = await entry_of(store)
    assert [await store.ledger.reopen(seen, ORDER), await store.ledger.reopen(seen, ORDER)] == [True, False]
    assert (await entry_of(store)).version == 2


async def test_a_replayed_reply_and_a_replayed_repeat_come_to_their_ticket_once_however_often_they_are_delivered(
    store: Store, clock: FakeClock, metrics: Metrics
) -> None:
    """By two writers, settled twice, with the second version of their decision in the books and one event each."""
    await enter(store, "first", "repeat", "reply")
    first = builders.classified("first")
    await writer(store, clock, metrics).handle([first])
    ticket_id = identity.ticket_id("first")
    opened = await store.tickets.get(ticket_id)
    assert opened is not None
    tag = Marks([b"k" * 32]).tag(opened.number)
    for mail_id in ("repeat", "reply"):
        rejected = DecisionWrite(mail_id=mail_id, decision=builders.decision(), trace=())
        await store.ledger.decide_many([rejected])
        await store.ledger.mark_done([mail_id], 1)
        assert await store.ledger.reopen(await entry_of(store, mail_id), ORDER)
    batch = [
        builders.classified("repeat", duplicate_of="first", decision_version=2),
        builders.classified("reply", email=builders.email(subject=f"Re: [{tag}]"), decision_version=2),
    ]
    events: set[str] = set()
    for _ in range(2):
        stage = writer(store, clock, metrics)
        results = await stage.handle(batch)
        assert labels(results) == ["duplicate", "reply"]
        await stage.settle(batch, results)
        events |= {out.envelope.message_id for one in results if isinstance(one, Outcome) for out in one.publish}
    assert len(events) == 2
    shown = await store.tickets.get(ticket_id)
    assert shown is not None and shown.duplicates == ("repeat",)
    assert [one.article.mail_id for one in await store.articles.of_ticket(ticket_id)] == ["reply"]
    assert await store.tickets.count() == 1
    for mail_id in ("repeat", "reply"):
        entry = await entry_of(store, mail_id)
        assert entry.decision is not None and (entry.decision.version, entry.state) == (2, State.DONE)
