"""The consume loop that every stage runs: take a micro-batch, handle, publish, settle, acknowledge - always last.

Acknowledgements, retries, the one log line per mail and the counting are decided here and nowhere else.
What happens to an error depends on its fate alone:

* store or broker away: the batch is kept and tried again with back-off; nothing new is taken (no hot loop);
* Soon: the message is held, and handled again in a moment, for two seconds at most; then it counts as Transient;
* Transient, or an unknown exception: `next_attempt_at` is written to the ledger, then acknowledged;
* Permanent, or attempts exhausted: the mail is quarantined with its reason and its event, then acknowledged;
* not of the contract: rejected to the dead letters.

A mail that ends the process itself raises no error: the broker delivers it again, and counts. The more often a message
was delivered, the smaller the group in which it is handled; in the end it is tried alone, and how often is noted in the
ledger before: a mail that ended the process so a few times is quarantined untouched. Its neighbours are handled before
it, and none of this counts as an attempt of theirs.

What a lane calls slow goes on beside the rest, so that no other mail waits for it; so does what is held.

The first worker takes what there is, the others whole batches: where mail comes singly one batch at a time costs fewest
round trips, and a backlog is worked on side by side. What waits while the first one is busy with something else is
taken after a second.
"""

import asyncio
import math
import random
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Generic, Protocol, TypeVar

import structlog

from shared.broker.client import Broker
from shared.broker.delivery import Delivery, acknowledge
from shared.broker.messages import Outgoing
from shared.broker.spans import received
from shared.broker.topology import Queue
from shared.contracts.codec import decode
from shared.contracts.events import mail_quarantined
from shared.contracts.messages import Message
from shared.domain.decision import Kind
from shared.domain.errors import AutomatorError, BrokerUnavailable, MalformedMessage, Permanent, Soon, StoreUnavailable
from shared.domain.ledger import Alone, Failure, LedgerEntry, State
from shared.domain.ticket import OutboxEvent
from shared.observability.crash_points import crash_point
from shared.observability.tracing import Span, Tracing
from shared.runtime.outbox import Debts, send_owed
from shared.runtime.process import Process

log = structlog.get_logger(__name__)

T = TypeVar("T")
M = TypeVar("M", bound=Message)
M_contra = TypeVar("M_contra", bound=Message, contravariant=True)

MAX_ATTEMPTS = 8
UNKNOWN_MAIL = "unknown_mail"
OUTCOMES = frozenset(kind.value for kind in Kind)
OLD = timedelta(days=1)
"""Mail that was this old when it was fetched is backlog: nobody waits for it, and it says nothing of our speed."""
SUSPECT_GROUPS: Mapping[int, int] = {3: 16, 4: 4}
"""Mails per group by deliveries: a message delivered this often may be killing its worker. Most are innocents that a
killed process held, and go through in groups; one that was delivered more often yet is handled alone."""
SLOW_GROUP = 10
"""Slow mails that are handled at a time."""
MOMENT, MOMENTS = 0.15, 2.0
"""Seconds between two looks at a mail that waits for another one, and for how long it is held."""
MAX_ALONE = 3
"""As often a mail may end the process while it is handled alone; then it is quarantined."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a handler says of one mail: a label and reason for log and metrics, and what is to be published."""

    label: str
    reason: str = ""
    publish: tuple[Outgoing, ...] = ()


class KillsWorker(Permanent):
    """The process ended each time it worked on this mail alone."""

    code = "kills_worker"


IN_QUARANTINE = Outcome("quarantined", "in_quarantine")
"""A message of a mail that is in quarantine: nothing is done until somebody replays it."""


_GIVEN_BACK = Outcome("given_back", "draining")
_HELD = Outcome("held", "soon")


class Handler(Protocol[M_contra]):
    """A stage's work on a micro-batch."""

    async def handle(self, messages: Sequence[M_contra]) -> Sequence[Outcome | AutomatorError]:
        """One result per message, in order. An AutomatorError as a result is the fate of that mail alone."""
        ...

    async def settle(self, messages: Sequence[M_contra], outcomes: Sequence[Outcome | AutomatorError]) -> None:
        """Called once everything has been published and confirmed, before the acknowledgements."""
        ...


class Retries(Debts, Protocol):
    """The ledger, as far as failures go."""

    async def get(self, mail_id: str) -> LedgerEntry | None: ...
    async def get_many(self, mail_ids: Iterable[str]) -> Mapping[str, LedgerEntry]: ...
    async def tried_alone(self, mail_id: str, alone: Alone) -> None: ...
    async def defer(self, mail_id: str, failure: Failure, next_attempt_at: datetime) -> int: ...
    async def quarantine(self, mail_id: str, failure: Failure, event: OutboxEvent) -> bool: ...


def _nothing_is_slow(_: Message) -> bool:
    return False


class _Aside(Generic[M]):
    """Messages that are handled beside the others: up to `most` at a time, a `pause` (s) after the first of them."""

    def __init__(self, most: int, pause: float = 0) -> None:
        self._most = most
        self._pause = pause
        self._queue: asyncio.Queue[tuple[M, Delivery]] = asyncio.Queue()

    def put(self, pair: tuple[M, Delivery]) -> None:
        """One more."""
        self._queue.put_nowait(pair)

    async def some(self) -> list[tuple[M, Delivery]]:
        """Some of them; none if there are none for a second."""
        try:
            async with asyncio.timeout(1):
                first = await self._queue.get()
        except TimeoutError:
            return []
        await asyncio.sleep(self._pause)
        return [first, *self._left(self._most - 1)]

    def rest(self) -> list[tuple[M, Delivery]]:
        """All of them."""
        return self._left(self._queue.qsize())

    def _left(self, most: int) -> list[tuple[M, Delivery]]:
        return [self._queue.get_nowait() for _ in range(min(self._queue.qsize(), most))]


@dataclass(frozen=True, slots=True)
class Lane:
    """How a stage consumes: its queue, messages held at a time, mails per batch, batches at a time; and which messages
    are slow: they are handled beside the others, some at a time."""

    stage: str
    queue: Queue
    window: int = 300
    batch: int = 100
    workers: int = 2
    slow: Callable[[Message], bool] = _nothing_is_slow


def backoff(attempts: int, chance: float) -> timedelta:
    """How long a mail waits after that many failed attempts: 10 s doubling to 6 h, between half and one and a half.

    `chance` is a random number in [0, 1).
    """
    return timedelta(seconds=min(10 * 2**attempts, 6 * 3600) * (0.5 + chance))


class Consumer(Generic[M]):
    """Runs a Lane until the process drains. `event_source` is the `source` of the events it makes."""

    def __init__(
        self,
        process: Process,
        broker: Broker,
        lane: Lane,
        model: type[M],
        handler: Handler[M],
        retries: Retries,
        event_source: str,
    ) -> None:
        self._process = process
        self._broker = broker
        self._lane = lane
        self._model = model
        self._handler = handler
        self._retries = retries
        self._source = event_source
        self._held = process.metrics.in_flight.labels(lane.stage)
        self._alone = asyncio.Lock()
        self._slow: _Aside[M] = _Aside(SLOW_GROUP)
        self._soon: _Aside[M] = _Aside(lane.batch, MOMENT)
        self._held_until: dict[str, float] = {}
        for reason in (MalformedMessage.code, UNKNOWN_MAIL):
            process.metrics.dead_letters.labels(lane.stage, reason)  # shown as 0, so that the first one is an increase
        for outcome in (*OUTCOMES, "quarantined"):
            process.metrics.outcome_age.labels(outcome)

    async def run(self) -> None:
        """Consume until `draining` is set; what is held by then is finished, the rest given back."""
        subscription = await self._broker.subscribe(self._lane.queue.name, self._lane.window)
        self._process.ready("broker", True)
        try:
            async with asyncio.TaskGroup() as group:
                for number in range(1, self._lane.workers + 1):
                    take = subscription.batch if number == 1 else subscription.full_batch
                    group.create_task(self._work(take, f"{self._lane.stage} {number}"))
                group.create_task(self._work_beside(self._slow, f"{self._lane.stage} slow"))
                group.create_task(self._work_beside(self._soon, f"{self._lane.stage} soon"))
        finally:
            await subscription.stop()

    async def _work(self, take: Callable[[int, float], Awaitable[list[Delivery]]], name: str) -> None:
        with self._process.pulse.loop(name):
            while not self._process.draining.is_set():
                if not await self._process.permitted():
                    continue
                deliveries = await take(self._lane.batch, 1)
                self._process.beat()
                self._process.ready("broker", self._broker.connected)
                if deliveries:
                    with self._process.pulse.at(f"a batch of {len(deliveries)}"):
                        await self._hold(deliveries)

    async def _hold(self, deliveries: Sequence[Delivery]) -> None:
        self._process.metrics.received.labels(self._lane.stage).inc(len(deliveries))
        self._held.inc(len(deliveries))
        try:
            if await self._may_take(deliveries):
                await self._take(deliveries)
        finally:
            self._held.dec(len(deliveries))

    async def _may_take(self, deliveries: Sequence[Delivery]) -> bool:
        """Waits while work is held; False if the process drains before, with the messages given back."""
        if await self._process.may_go_on():
            return True
        await _give_back(deliveries)
        return False

    async def _take(self, deliveries: Sequence[Delivery]) -> None:
        pairs = [pair for delivery in deliveries if (pair := await self._read(delivery))]
        again = [pair for pair in pairs if pair[1].deliveries]
        known = await self._patiently(pairs, lambda: self._look_up(again))
        if known is None:
            return
        suspects = [pair for pair in pairs if _suspect(pair[1], known.get(pair[0].mail_id))]
        rest = [pair for pair in pairs if not _suspect(pair[1], known.get(pair[0].mail_id))]
        quick = [pair for pair in rest if not self._put_aside(pair)]
        if quick:
            await self._process_group(quick)
        if suspects:
            # Its turn may come late: whether it comes at all, the pulse of the neighbour says.
            with self._process.pulse.at("waiting for the suspects of a neighbour", within=math.inf):
                async with self._alone:
                    with self._process.pulse.at(f"{len(suspects)} suspects"):
                        await self._in_small_groups(suspects, known)

    def _put_aside(self, pair: tuple[M, Delivery]) -> bool:
        """Whether it is slow, and will be handled beside the others. While we drain nobody would."""
        if self._process.draining.is_set() or not self._lane.slow(pair[0]):
            return False
        self._lay(self._slow, pair)
        return True

    def _lay(self, aside: _Aside[M], pair: tuple[M, Delivery]) -> None:
        self._held.inc()
        aside.put(pair)

    async def _work_beside(self, aside: _Aside[M], name: str) -> None:
        """Handle what was put aside, until the process drains; what is left then is given back."""
        with self._process.pulse.loop(name):
            while not self._process.draining.is_set():
                pairs = await aside.some()
                self._process.beat()
                if pairs:
                    with self._process.pulse.at(f"{len(pairs)} mails that were put aside"):
                        await self._while_held(pairs)
        left = aside.rest()
        self._held.dec(len(left))
        await _give_back([delivery for _, delivery in left])

    async def _while_held(self, pairs: Sequence[tuple[M, Delivery]]) -> None:
        try:
            if await self._may_take([delivery for _, delivery in pairs]):
                await self._process_group(pairs)
        finally:
            self._held.dec(len(pairs))

    async def _look_up(self, pairs: Sequence[tuple[M, Delivery]]) -> Mapping[str, LedgerEntry]:
        return await self._retries.get_many([message.mail_id for message, _ in pairs]) if pairs else {}

    async def _in_small_groups(self, suspects: Sequence[tuple[M, Delivery]], known: Mapping[str, LedgerEntry]) -> None:
        """Those first that are suspected least: the innocent are through before a killer is at work."""
        alone: list[tuple[M, Delivery]] = []
        groups: dict[int, list[tuple[M, Delivery]]] = {}
        for pair in suspects:
            size = 1 if _marked(known.get(pair[0].mail_id)) else SUSPECT_GROUPS.get(pair[1].deliveries, 1)
            (alone if size == 1 else groups.setdefault(size, [])).append(pair)
        for size, pairs in sorted(groups.items(), reverse=True):
            for at in range(0, len(pairs), size):
                await self._process_group(pairs[at : at + size])
        await self._one_by_one(alone, known)

    async def _one_by_one(self, suspects: Sequence[tuple[M, Delivery]], known: Mapping[str, LedgerEntry]) -> None:
        """Those first that were tried alone least often."""
        tried = {message.mail_id: self._tried(known.get(message.mail_id)) for message, _ in suspects}
        for pair in sorted(suspects, key=lambda one: tried[one[0].mail_id]):
            entry = known.get(pair[0].mail_id)
            if entry is not None and entry.state is State.QUARANTINED:
                await _acknowledge([pair[1]])
                self._count([pair[0]], [IN_QUARANTINE], 0)
            else:
                await self._process_group([pair], tried[pair[0].mail_id])

    def _tried(self, entry: LedgerEntry | None) -> int:
        alone = entry.alone if entry else None
        return alone.times if alone is not None and alone.stage == self._lane.stage else 0

    async def _read(self, delivery: Delivery) -> tuple[M, Delivery] | None:
        if delivery.deliveries:
            self._process.metrics.redelivered.labels(self._lane.stage).inc()
        try:
            message = decode(delivery.envelope)
            if not isinstance(message, self._model):
                raise MalformedMessage(f"{message.TYPE} does not belong on {self._lane.queue.name}")
        except MalformedMessage as error:
            self._process.metrics.dead_letters.labels(self._lane.stage, error.code).inc()
            log.error("message_refused", stage=self._lane.stage, error=error.line())
            await delivery.reject()
            crash_point("stage.after_reject")
            return None
        return message, delivery

    async def _process_group(self, pairs: Sequence[tuple[M, Delivery]], tried_alone: int | None = None) -> None:
        if self._process.tracing is None:
            await self._finish_group(pairs, tried_alone)
            return
        spans = [self._span(self._process.tracing, *pair) for pair in pairs]
        ends: Sequence[Outcome | AutomatorError] | None = None
        try:
            ends = await self._finish_group(pairs, tried_alone)
        finally:
            for span, outcome in zip(spans, ends or [_GIVEN_BACK] * len(spans), strict=True):
                _end(span, outcome)

    def _span(self, tracing: Tracing, message: M, delivery: Delivery) -> Span:
        return received(
            tracing, self._broker.server, self._lane.queue, delivery, message.mail_id, message.mailbox, self._lane.stage
        )

    async def _finish_group(
        self, pairs: Sequence[tuple[M, Delivery]], tried_alone: int | None
    ) -> Sequence[Outcome | AutomatorError] | None:
        """What became of these; None if they were given back."""
        clock = self._process.clock
        started = clock.monotonic()
        messages = [message for message, _ in pairs]
        outcomes = await self._patiently(pairs, lambda: self._once(messages, tried_alone))
        self._process.beat()
        if outcomes is None:
            return None
        self._process.ready("store", True)
        ends = list(zip(pairs, outcomes, strict=True))
        over = [(pair, outcome) for pair, outcome in ends if outcome is not _HELD]
        if over:
            await _acknowledge([delivery for (_, delivery), _ in over])
            self._count([message for (message, _), _ in over], [one for _, one in over], clock.monotonic() - started)
        if held := [pair for pair, outcome in ends if outcome is _HELD]:
            await self._hold_on(held)
        return outcomes

    async def _hold_on(self, pairs: Sequence[tuple[M, Delivery]]) -> None:
        """Have them handled again in a moment. While we drain nobody would."""
        if self._process.draining.is_set():
            await _give_back([delivery for _, delivery in pairs])
            return
        for pair in pairs:
            self._lay(self._soon, pair)

    async def _patiently(self, pairs: Sequence[tuple[M, Delivery]], work: Callable[[], Awaitable[T]]) -> T | None:
        """The result of the work, once store and broker are there; None if the process drains before, with the
        messages given back."""
        pause = 0.5
        while True:
            try:
                return await work()
            except (StoreUnavailable, BrokerUnavailable) as error:
                self._process.ready("store" if isinstance(error, StoreUnavailable) else "broker", False)
                log.warning("waiting", stage=self._lane.stage, error=error.line(), held=len(pairs))
                if await self._process.pause(pause):
                    await _give_back([delivery for _, delivery in pairs])
                    return None
                self._process.beat()
                pause = min(pause * 2, 15)

    async def _once(self, messages: Sequence[M], tried_alone: int | None = None) -> Sequence[Outcome | AutomatorError]:
        doomed = None if tried_alone is None else await self._suspected(messages[0], tried_alone)
        outcomes = [doomed] if doomed else await self._handled(messages)
        await self._broker.publish_all([out for one in outcomes if isinstance(one, Outcome) for out in one.publish])
        crash_point("stage.after_publish")
        await self._handler.settle(messages, outcomes)
        crash_point("stage.after_settle")
        if tried_alone is None:
            outcomes = [self._or_held(message, one) for message, one in zip(messages, outcomes, strict=True)]
        quarantined = [
            message.mail_id
            for message, outcome in zip(messages, outcomes, strict=True)
            if isinstance(outcome, AutomatorError) and await self._fail(message, outcome)
        ]
        await self._tell(quarantined)
        return outcomes

    def _or_held(self, message: M, outcome: Outcome | AutomatorError) -> Outcome | AutomatorError:
        """What became of a mail: that it is held, if it waits for another one and not for long yet."""
        now = self._process.clock.monotonic()
        if isinstance(outcome, Soon) and now < self._held_until.setdefault(message.mail_id, now + MOMENTS):
            return _HELD
        self._held_until.pop(message.mail_id, None)
        return outcome

    async def _suspected(self, message: M, tried: int) -> KillsWorker | None:
        """The verdict on a suspect that has had its chances; else note that it gets another one."""
        if tried >= MAX_ALONE:
            what = f"the process ended {tried} times while it worked on this mail alone"
            return KillsWorker(what, where=self._lane.stage, remedy="look at the raw mail before you replay it")
        await self._retries.tried_alone(message.mail_id, Alone(stage=self._lane.stage, times=tried + 1))
        crash_point("stage.after_alone")
        return None

    async def _handled(self, messages: Sequence[M]) -> list[Outcome | AutomatorError]:
        self._process.beat()
        try:
            return list(await self._handler.handle(messages))
        except (StoreUnavailable, BrokerUnavailable):
            raise
        except AutomatorError as error:
            unknown = error
        except Exception as error:
            log.exception("unexpected", stage=self._lane.stage, mails=len(messages))
            unknown = AutomatorError(f"unexpected {type(error).__name__} in {self._lane.stage}", code="unexpected")
        if len(messages) == 1:
            return [unknown]
        return [outcome for message in messages for outcome in await self._handled([message])]

    async def _tell(self, quarantined: Sequence[str]) -> None:
        """Publish what these mails owe. If that fails they go on owing it, and the bookkeeper sends it."""
        try:
            await send_owed(self._retries, self._broker, quarantined)
        except (StoreUnavailable, BrokerUnavailable) as error:
            log.warning("event_put_off", stage=self._lane.stage, error=error.line())

    async def _fail(self, message: M, error: AutomatorError) -> bool:
        """Write down what went wrong; whether that put the mail into quarantine."""
        now = self._process.clock.now()
        stage, metrics = self._lane.stage, self._process.metrics
        failure = Failure(stage=stage, code=error.code, what=error.line(), at=now)
        entry = await self._retries.get(message.mail_id)
        if entry is None:
            metrics.dead_letters.labels(stage, UNKNOWN_MAIL).inc()
            log.error(UNKNOWN_MAIL, stage=stage, mail_id=message.mail_id)
        elif isinstance(error, Permanent) or entry.attempts + 1 >= MAX_ATTEMPTS:
            metrics.quarantined.labels(stage, error.code).inc()
            event = mail_quarantined(entry, failure, self._source)
            quarantined = await self._retries.quarantine(message.mail_id, failure, event)
            crash_point("stage.after_quarantine")
            if quarantined and _first(message):
                metrics.outcome_age.labels("quarantined").observe(max(0.0, (now - message.received_at).total_seconds()))
            return quarantined
        else:
            await self._retries.defer(message.mail_id, failure, now + backoff(entry.attempts, random.random()))  # noqa: S311 - jitter
            crash_point("stage.after_failure")
            metrics.retries.labels(stage, error.code).inc()
        return False

    def _count(self, messages: Sequence[M], outcomes: Sequence[Outcome | AutomatorError], seconds: float) -> None:
        metrics, stage = self._process.metrics, self._lane.stage
        metrics.stage_duration.labels(stage).observe(seconds)
        metrics.batch_size.labels(stage).observe(len(messages))
        now = self._process.clock.now()
        metrics.last_finished.labels(stage).set(now.timestamp())
        ages, ends = metrics.message_age.labels(stage), Counter[tuple[str, str]]()
        for message, outcome in zip(messages, outcomes, strict=True):
            failed = isinstance(outcome, AutomatorError)
            label, reason = ("failed", outcome.code) if failed else (outcome.label, outcome.reason)
            ends[label, reason] += 1
            if not message.imported:
                age = max(0.0, (now - message.received_at).total_seconds())
                ages.observe(age)
                if label in OUTCOMES and _first(message):
                    metrics.outcome_age.labels(label).observe(age)
            log.info(label, stage=stage, mail_id=message.mail_id, mailbox=message.mailbox, reason=reason)
        for (label, reason), count in ends.items():
            metrics.messages.labels(stage, label, reason).inc(count)


def _end(span: Span, outcome: Outcome | AutomatorError) -> None:
    if isinstance(outcome, AutomatorError):
        span.end({"mail_automator.outcome": "failed"}, error=outcome.code)
    else:
        span.end({"mail_automator.outcome": outcome.label, "mail_automator.reason": outcome.reason})


async def _acknowledge(deliveries: Iterable[Delivery]) -> None:
    await acknowledge(deliveries)
    crash_point("stage.after_ack")


async def _give_back(deliveries: Iterable[Delivery]) -> None:
    for delivery in deliveries:
        await delivery.give_back()
    crash_point("stage.after_give_back")


def _first(message: Message) -> bool:
    """Whether the service level counts this mail: not a replay, and fetched within a day of its arrival."""
    return message.decision_version == 1 and message.fetched_at - message.received_at < OLD


def _suspect(delivery: Delivery, entry: LedgerEntry | None) -> bool:
    """Whether a message delivered again may be killing its worker. A copy of a known suspect is one at once."""
    return delivery.deliveries >= min(SUSPECT_GROUPS) or _marked(entry)


def _marked(entry: LedgerEntry | None) -> bool:
    return entry is not None and (entry.alone is not None or entry.state is State.QUARANTINED)
