"""The consume loop on a real broker: what happens to a mail depends on the fate of its error alone."""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta

import pytest

from shared.broker import topology
from shared.broker.client import Broker
from shared.broker.messages import Outgoing
from shared.contracts.codec import Envelope, encode
from shared.contracts.messages import EmailAccepted
from shared.domain.errors import OtherMailbox, Permanent, Soon, StoreUnavailable, Transient
from shared.domain.ledger import Alone, Failure, LedgerEntry, State
from shared.domain.ticket import OutboxEvent
from shared.runtime.consume.failures import MAX_ATTEMPTS
from shared.runtime.consume.loop import Consumer, Lane
from shared.runtime.consume.outcome import Outcome, Result
from shared.runtime.process import Process
from tests.support.builders import accepted, entry

Behaviour = Callable[[EmailAccepted], Result]


class Books:
    """A ledger of four dictionaries."""

    def __init__(self, attempts: int = 0) -> None:
        self.attempts = attempts
        self.deferred: dict[str, datetime] = {}
        self.quarantined: dict[str, str] = {}
        self.alone: dict[str, Alone] = {}
        self.outbox: dict[str, OutboxEvent] = {}

    async def get(self, mail_id: str) -> LedgerEntry | None:
        return (await self.get_many([mail_id])).get(mail_id)

    async def get_many(self, mail_ids: Iterable[str]) -> dict[str, LedgerEntry]:
        return {one: self._entry(one) for one in mail_ids if one != "unknown"}

    def _entry(self, mail_id: str) -> LedgerEntry:
        state = State.QUARANTINED if mail_id in self.quarantined else State.STORED
        return entry(mail_id, attempts=self.attempts, alone=self.alone.get(mail_id), state=state)

    async def tried_alone(self, mail_id: str, alone: Alone) -> None:
        self.alone[mail_id] = alone

    async def defer(self, mail_id: str, failure: Failure, next_attempt_at: datetime) -> int:
        self.deferred[mail_id] = next_attempt_at
        return self.attempts + 1

    async def quarantine(self, mail_id: str, failure: Failure, event: OutboxEvent) -> bool:
        self.quarantined[mail_id] = failure.code
        self.outbox[mail_id] = event
        return True

    async def owed_by(self, mail_ids: Sequence[str]) -> tuple[tuple[str, OutboxEvent], ...]:
        return tuple((one, self.outbox[one]) for one in mail_ids if one in self.outbox)

    async def mark_published(self, mail_ids: Sequence[str]) -> None:
        for one in mail_ids:
            del self.outbox[one]


class Stage:
    """A handler that does what the test says, mail by mail."""

    def __init__(self, behaviour: Behaviour) -> None:
        self._behaviour = behaviour
        self.handled: list[str] = []
        self.settled: list[str] = []

    async def handle(self, messages: Sequence[EmailAccepted]) -> Sequence[Result]:
        results = [self._behaviour(one) for one in messages]
        self.handled += [one.mail_id for one in messages]
        return results

    async def settle(self, messages: Sequence[EmailAccepted], outcomes: Sequence[Result]) -> None:
        self.settled += [one.mail_id for one in messages]


@asynccontextmanager
async def consuming(broker: Broker, stage: Stage, books: Books, *slow: str, workers: int = 1):  # type: ignore[no-untyped-def]  # a test's own helper
    process = Process("test", {})
    is_slow = lambda message: message.mail_id in slow  # noqa: E731
    lane = Lane("classifier", topology.CLASSIFIER, window=20, batch=10, workers=workers, slow=is_slow)
    task = asyncio.create_task(Consumer(process, broker, lane, EmailAccepted, stage, books, "/test").run())
    try:
        yield process
    finally:
        process.draining.set()
        await asyncio.wait_for(task, 20)


class Slow(Stage):
    """A stage that does not come to the end of a mail before it is told so."""

    def __init__(self, mail_id: str) -> None:
        super().__init__(lambda _: Outcome("done"))
        self.mail_id = mail_id
        self.begun: list[str] = []
        self.may_end = asyncio.Event()

    async def handle(self, messages: Sequence[EmailAccepted]) -> Sequence[Result]:
        self.begun += [one.mail_id for one in messages]
        if any(one.mail_id == self.mail_id for one in messages):
            await self.may_end.wait()
        return await super().handle(messages)


async def test_beside_a_batch_a_full_one_goes_on_and_whatever_has_waited_for_a_second(broker: Broker) -> None:
    stage = Slow("m1")
    async with consuming(broker, stage, Books(), workers=2):
        await publish(broker, "m1")
        await until(lambda: stage.begun == ["m1"])
        full = [f"full{count}" for count in range(10)]
        await publish(broker, *full)
        await until(lambda: stage.settled == full)
        await publish(broker, "few")
        await until(lambda: stage.settled == [*full, "few"])
        stage.may_end.set()
        await until(lambda: "m1" in stage.settled)


async def test_no_other_mail_waits_for_a_slow_one(broker: Broker) -> None:
    stage = Slow("m2")
    async with consuming(broker, stage, Books(), "m2", "m4"):
        await publish(broker, "m1", "m2", "m3", "m4", "m5")
        await publish(broker, "m6")
        await until(lambda: {"m1", "m3", "m5", "m6"} <= set(stage.settled))
        assert not {"m2", "m4"} & set(stage.handled)
        stage.may_end.set()
        await until(lambda: len(stage.settled) == 6)
    assert await broker.depth(topology.CLASSIFIER.name) == 0


async def test_slow_mail_that_was_not_begun_when_the_process_drains_is_not_lost(broker: Broker) -> None:
    stage = Slow("m1")
    async with consuming(broker, stage, Books(), "m1", "m2") as process:
        await publish(broker, "m1")
        await until(lambda: stage.begun == ["m1"])
        await publish(broker, "m2")
        await publish(broker, "m3")
        await until(lambda: stage.settled == ["m3"])
        process.draining.set()
        stage.may_end.set()
    assert stage.settled[:2] == ["m3", "m1"]
    assert stage.settled.count("m2") + await broker.depth(topology.CLASSIFIER.name) == 1


class Parents(Stage):
    """A stage where each mail waits for the one that it names (`child of`), until that is handled."""

    def __init__(self, **parents: str) -> None:
        super().__init__(self.look)
        self.parents = parents

    def look(self, message: EmailAccepted) -> Result:
        waits = self.parents.get(message.mail_id, "") not in {"", *self.handled}
        return Soon("its parent is in flight", code="parent_in_flight") if waits else Outcome("done")


async def test_a_mail_that_waits_for_another_is_handled_soon_after_it_and_delays_nobody(broker: Broker) -> None:
    stage, books = Parents(child="parent"), Books()
    async with consuming(broker, stage, books) as process:
        await publish(broker, "child", "other")
        await until(lambda: stage.handled.count("child") > 2)
        assert "other" in stage.settled
        await publish(broker, "parent")
        await until(lambda: "parent" in stage.settled)
        seen = stage.handled.count("child")
        await until(lambda: stage.handled.count("child") == seen + 1)
        messages = process.metrics.messages
        await until(lambda: messages.labels("classifier", "done", "")._value.get() == 3)
        assert messages.labels("classifier", "failed", "parent_in_flight")._value.get() == 0
    assert not books.deferred
    assert await broker.depth(topology.CLASSIFIER.name) == 0


async def test_a_mail_that_waits_for_long_is_put_off_like_any_other(broker: Broker) -> None:
    stage, books = Parents(child="parent"), Books()
    async with consuming(broker, stage, books):
        await publish(broker, "child")
        await until(lambda: "child" in books.deferred)
        assert stage.handled.count("child") > 2
        await publish(broker, "child")
        seen = stage.handled.count("child")
        await until(lambda: stage.handled.count("child") > seen + 2)


async def test_a_mail_that_waits_when_the_process_drains_is_not_lost(broker: Broker) -> None:
    stage, books = Parents(child="parent"), Books()
    async with consuming(broker, stage, books):
        await publish(broker, "child")
        await until(lambda: stage.handled.count("child") > 1)
    assert not books.deferred
    assert await broker.depth(topology.CLASSIFIER.name) == 1


async def publish(broker: Broker, *mail_ids: str) -> None:
    await broker.publish(topology.MAIL, "email.accepted", [encode(accepted(one)) for one in mail_ids])


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.02)


async def test_a_mail_is_handled_published_settled_and_then_acknowledged(broker: Broker) -> None:
    """The successor lies in the next queue, the mail in none."""
    successor = encode(accepted("m1"))
    stage = Stage(lambda _: Outcome("done", publish=(Outgoing(topology.MAIL, "email.classified", successor),)))
    async with consuming(broker, stage, Books()):
        await publish(broker, "m1")
        await until(lambda: stage.settled == ["m1"])
    assert await broker.depth(topology.CLASSIFIER.name) == 0
    assert await broker.depth(topology.TICKET_WRITER.name) == 1


async def test_a_transient_error_is_written_to_the_ledger_and_acknowledged(broker: Broker) -> None:
    """No hot loop: the bookkeeper brings it back."""
    books, stage = Books(), Stage(lambda _: Transient("busy"))
    async with consuming(broker, stage, books) as process:
        await publish(broker, "m1")
        await until(lambda: "m1" in books.deferred)
        assert books.deferred["m1"] > process.clock.now()
    assert await broker.depth(topology.CLASSIFIER.name) == 0
    assert stage.handled == ["m1"]


async def test_a_permanent_error_quarantines(broker: Broker) -> None:
    """Another try would end the same."""
    books = Books()
    async with consuming(broker, Stage(lambda _: Permanent("no", code="hopeless")), books):
        await publish(broker, "m1")
        await until(lambda: books.quarantined == {"m1": "hopeless"})
    assert books.deferred == {}


async def test_the_last_attempt_quarantines(broker: Broker) -> None:
    """Attempts are bounded."""
    books = Books(attempts=MAX_ATTEMPTS - 1)
    async with consuming(broker, Stage(lambda _: Transient("busy", code="busy")), books):
        await publish(broker, "m1")
        await until(lambda: books.quarantined == {"m1": "busy"})


async def test_one_mail_that_breaks_the_handler_does_not_harm_its_neighbours(broker: Broker) -> None:
    """An unknown exception is that mail's, found by trying one by one."""

    def behaviour(mail: EmailAccepted) -> Outcome:
        if mail.mail_id == "bad":
            raise ZeroDivisionError
        return Outcome("done")

    books, stage = Books(), Stage(behaviour)
    async with consuming(broker, stage, books):
        await publish(broker, "a", "bad", "b")
        await until(lambda: {"a", "b", "bad"} <= set(stage.settled) and "bad" in books.deferred)
    assert set(books.deferred) == {"bad"}
    assert await broker.depth(topology.CLASSIFIER.name) == 0


async def test_while_the_store_is_away_the_batch_is_kept_and_tried_again(broker: Broker) -> None:
    """It is neither acknowledged nor thrown back and forth."""
    tries: list[str] = []

    def behaviour(mail: EmailAccepted) -> Outcome:
        tries.append(mail.mail_id)
        if len(tries) < 3:
            raise StoreUnavailable("away")
        return Outcome("done")

    books, stage = Books(), Stage(behaviour)
    async with consuming(broker, stage, books) as process:
        await publish(broker, "m1")
        await until(lambda: len(tries) >= 1)
        assert process.readiness()["store"] is False or len(tries) >= 3
        await until(lambda: stage.settled == ["m1"])
        await until(lambda: process.readiness()["store"])
    assert tries == ["m1"] * 3
    assert (books.deferred, books.quarantined) == ({}, {})


async def test_imported_mail_does_not_count_in_how_old_mail_gets(broker: Broker) -> None:
    """It is old before anybody works on it: a service level of the others must not suffer."""
    stage = Stage(lambda _: Outcome("done"))
    async with consuming(broker, stage, Books()) as process:
        mails = [accepted("m1"), accepted("old", imported=True)]
        await broker.publish(topology.MAIL, "email.accepted", [encode(one) for one in mails])
        await until(lambda: set(stage.settled) == {"m1", "old"})
    counted = process.metrics.registry.get_sample_value
    labels = {"stage": "classifier"}
    assert counted("mail_automator_message_age_seconds_count", labels) == 1
    assert counted("mail_automator_messages_total", {**labels, "outcome": "done", "reason": ""}) == 2


async def test_a_drain_while_the_store_is_away_gives_the_mail_back(broker: Broker) -> None:
    """SIGTERM loses nothing."""

    def behaviour(mail: EmailAccepted) -> Outcome:
        raise StoreUnavailable("away")

    stage = Stage(behaviour)
    async with consuming(broker, stage, Books()) as process:
        await publish(broker, "m1")
        await until(lambda: process.readiness().get("store") is False)
    async with asyncio.timeout(10):
        while await broker.depth(topology.CLASSIFIER.name) != 1:
            await asyncio.sleep(0.05)


@pytest.mark.row(84)
async def test_what_is_not_of_the_contract_goes_to_the_dead_letters(broker: Broker) -> None:
    """And its neighbours are handled."""
    stage = Stage(lambda _: Outcome("done"))
    wrong = Envelope(b"not json", "application/json", "email.accepted.v99", "x", {"mail_id": "x"})
    async with consuming(broker, stage, Books()):
        await broker.publish(topology.MAIL, "email.accepted", [wrong, encode(accepted("m1"))])
        await until(lambda: stage.settled == ["m1"])
        async with asyncio.timeout(10):
            while await broker.depth(topology.DEAD_LETTERS.name) != 1:
                await asyncio.sleep(0.05)


MEGABYTE = 1024 * 1024
NONSENSE = [b"\xff\x00" * (MEGABYTE // 2), b"[" * MEGABYTE, b'{"mail_id": "' + b"a" * MEGABYTE + b'"}', b"9" * MEGABYTE]


@pytest.mark.row(84)
@pytest.mark.parametrize("wire_type", ["email.accepted.v1", "email.fetched.v1", "nonsense"])
async def test_a_megabyte_of_nonsense_goes_to_the_dead_letters(broker: Broker, wire_type: str) -> None:
    """Whatever it calls itself; and what comes behind it is handled."""
    stage = Stage(lambda _: Outcome("done"))
    wrong = [Envelope(body, "application/json", wire_type, "x", {"size": "many"}) for body in NONSENSE]
    async with consuming(broker, stage, Books()) as process:
        await broker.publish(topology.MAIL, "email.accepted", [*wrong, encode(accepted("m1"))])
        await until(lambda: stage.settled == ["m1"])
        async with asyncio.timeout(10):
            while await broker.depth(topology.DEAD_LETTERS.name) != len(NONSENSE):
                await asyncio.sleep(0.05)
    labels = {"stage": "classifier", "reason": "malformed_message"}
    counted = process.metrics.registry.get_sample_value("mail_automator_dead_letters_total", labels)
    assert counted == len(NONSENSE)


@pytest.mark.row(84)
async def test_a_mail_that_a_message_puts_into_another_mailbox_is_quarantined(broker: Broker) -> None:
    """With its reason, and no other with it."""

    def behaviour(message: EmailAccepted) -> Result:
        return OtherMailbox("classifier") if message.mail_id == "wrong" else Outcome("done")

    books, stage = Books(), Stage(behaviour)
    async with consuming(broker, stage, books):
        await publish(broker, "wrong", "m1")
        await until(lambda: books.quarantined == {"wrong": "other_mailbox"} and "m1" in stage.settled)


@pytest.mark.row(84)
async def test_a_mail_the_ledger_does_not_know_is_counted_and_dropped(broker: Broker) -> None:
    """It cannot be retried: there is nothing to retry it from."""
    books, stage = Books(), Stage(lambda _: Transient("busy"))
    async with consuming(broker, stage, books) as process:
        await publish(broker, "unknown")
        await until(lambda: b'reason="unknown_mail"' in process.metrics.exposition())
    assert (books.deferred, books.quarantined) == ({}, {})


async def test_a_copy_of_a_mail_that_is_in_quarantine_is_not_touched_when_delivered_again(broker: Broker) -> None:
    """It may be there because it kills: one look at the books, and the message is done with."""
    first = await broker.subscribe(topology.CLASSIFIER.name, window=1)
    await publish(broker, "m1")
    (held,) = await first.batch(1, wait_seconds=5)
    await first.stop()
    await held.give_back()
    books, stage = Books(), Stage(lambda _: Outcome("done"))
    books.quarantined["m1"] = "kills_worker"
    async with consuming(broker, stage, books) as process:
        await until(lambda: _quarantined(process) or stage.handled != [])
    assert stage.handled == []
    assert await broker.depth(topology.CLASSIFIER.name) == 0


def _quarantined(process: Process) -> float:
    """How many mails were counted as quarantined."""
    found = process.metrics.registry.collect()
    samples = [one for family in found if family.name == "mail_automator_messages" for one in family.samples]
    return sum(one.value for one in samples if one.labels.get("outcome") == "quarantined")


async def test_the_service_level_counts_new_mail_at_its_outcome(broker: Broker) -> None:
    """Not what goes on to the next stage, not a replay, and not mail that was a day old when it was fetched."""
    ends = {"on": Outcome("accepted"), "bad": Permanent("no", code="hopeless")}
    stage = Stage(lambda mail: ends.get(mail.mail_id, Outcome("rejected", "blocked_sender")))
    async with consuming(broker, stage, Books()) as process:
        now = process.clock.now()
        mails = [
            accepted("m1", received_at=now - timedelta(seconds=40), fetched_at=now),
            accepted("on", received_at=now, fetched_at=now),
            accepted("bad", received_at=now, fetched_at=now),
            accepted("again", received_at=now, fetched_at=now, decision_version=2),
            accepted("old", received_at=now - timedelta(days=2), fetched_at=now),
        ]
        await broker.publish(topology.MAIL, "email.accepted", [encode(one) for one in mails])
        read = process.metrics.registry.get_sample_value
        await until(lambda: read("mail_automator_in_flight", {"stage": "classifier"}) == 0 and len(stage.settled) == 5)
    age = "mail_automator_outcome_age_seconds"
    assert read(f"{age}_count", {"outcome": "rejected"}) == 1
    assert read(f"{age}_bucket", {"outcome": "rejected", "le": "30.0"}) == 0
    assert read(f"{age}_bucket", {"outcome": "rejected", "le": "60.0"}) == 1
    assert read(f"{age}_count", {"outcome": "quarantined"}) == 1
    assert read(f"{age}_count", {"outcome": "accepted"}) is None
    assert read("mail_automator_received_total", {"stage": "classifier"}) == 5
    assert read("mail_automator_stage_last_finished_timestamp_seconds", {"stage": "classifier"}) >= now.timestamp()
