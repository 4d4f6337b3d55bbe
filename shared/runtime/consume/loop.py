"""The consume loop that every stage runs: take a micro-batch, handle, publish, settle, acknowledge - always last.

Acknowledgements are decided here and nowhere else. What happens to an error depends on its fate alone:

* store or broker away: the batch is kept and tried again with back-off; nothing new is taken (no hot loop);
* Soon: the message is held, and handled again in a moment, for two seconds at most; then it counts as Transient;
* any other, and an unknown exception: written down (`failures.py`), then acknowledged;
* not of the contract: rejected to the dead letters.

A message that was delivered often may be killing its worker: it is handled in smaller groups, after the others
(`suspects.py`). What a lane calls slow goes on beside the rest, so that no other mail waits for it; so does what is
held.

The first worker takes what there is, the others whole batches: where mail comes singly one batch at a time costs fewest
round trips, and a backlog is worked on side by side. What waits while the first one is busy with something else is
taken after a second.
"""

import asyncio
import math
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

import structlog

from shared.broker.client import Broker
from shared.broker.delivery import Delivery, acknowledge
from shared.broker.spans import received
from shared.broker.topology import Queue
from shared.contracts.codec import decode
from shared.contracts.messages import Message
from shared.domain.errors import AutomatorError, BrokerUnavailable, MalformedMessage, Soon, StoreUnavailable
from shared.domain.ledger import LedgerEntry, State
from shared.observability.crash_points import crash_point
from shared.observability.tracing import Span, Tracing
from shared.runtime.consume.aside import Aside
from shared.runtime.consume.failures import Failures, Retries
from shared.runtime.consume.outcome import IN_QUARANTINE, Handler, Outcome, Result
from shared.runtime.consume.suspects import in_groups, suspect, times_alone
from shared.runtime.consume.tally import Tally, end
from shared.runtime.process import Process

log = structlog.get_logger(__name__)

T = TypeVar("T")
M = TypeVar("M", bound=Message)

SLOW_GROUP = 10
"""Slow mails that are handled at a time."""
MOMENT, MOMENTS = 0.15, 2.0
"""Seconds between two looks at a mail that waits for another one, and for how long it is held."""

_GIVEN_BACK = Outcome("given_back", "draining")
_HELD = Outcome("held", "soon")


def _nothing_is_slow(_: Message) -> bool:
    return False


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
        self._tally = Tally(process, lane.stage)
        self._failures = Failures(process, broker, lane.stage, retries, event_source, self._tally)
        self._held = process.metrics.in_flight.labels(lane.stage)
        self._alone = asyncio.Lock()
        self._slow: Aside[tuple[M, Delivery]] = Aside(SLOW_GROUP)
        self._soon: Aside[tuple[M, Delivery]] = Aside(lane.batch, MOMENT)
        self._held_until: dict[str, float] = {}

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
        suspects = [pair for pair in pairs if suspect(pair[1], known.get(pair[0].mail_id))]
        innocent = [pair for pair in pairs if not suspect(pair[1], known.get(pair[0].mail_id))]
        quick = [pair for pair in innocent if not self._put_aside(pair)]
        if quick:
            await self._process_group(quick)
        if suspects:
            # Its turn may come late: whether it comes at all, the pulse of the neighbour says.
            with self._process.pulse.at("waiting for the suspects of a neighbour", within=math.inf):
                async with self._alone:
                    with self._process.pulse.at(f"{len(suspects)} suspects"):
                        await self._take_suspects(suspects, known)

    def _put_aside(self, pair: tuple[M, Delivery]) -> bool:
        """Whether it is slow, and will be handled beside the others. While we drain nobody would."""
        if self._process.draining.is_set() or not self._lane.slow(pair[0]):
            return False
        self._lay(self._slow, pair)
        return True

    def _lay(self, aside: Aside[tuple[M, Delivery]], pair: tuple[M, Delivery]) -> None:
        self._held.inc()
        aside.put(pair)

    async def _work_beside(self, aside: Aside[tuple[M, Delivery]], name: str) -> None:
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

    async def _take_suspects(self, suspects: Sequence[tuple[M, Delivery]], known: Mapping[str, LedgerEntry]) -> None:
        """In groups first, then one by one, those first that were tried alone least often."""
        groups, alone = in_groups(suspects, known)
        for group in groups:
            await self._process_group(group)
        tried = {message.mail_id: times_alone(known.get(message.mail_id), self._lane.stage) for message, _ in alone}
        for pair in sorted(alone, key=lambda one: tried[one[0].mail_id]):
            entry = known.get(pair[0].mail_id)
            if entry is not None and entry.state is State.QUARANTINED:
                await _acknowledge([pair[1]])
                self._tally.count([pair[0]], [IN_QUARANTINE], 0)
            else:
                await self._process_group([pair], tried[pair[0].mail_id])

    async def _read(self, delivery: Delivery) -> tuple[M, Delivery] | None:
        if delivery.deliveries:
            self._process.metrics.redelivered.labels(self._lane.stage).inc()
        try:
            message = decode(delivery.envelope)
            if not isinstance(message, self._model):
                raise MalformedMessage(f"{message.TYPE} does not belong on {self._lane.queue.name}")
        except MalformedMessage as error:
            self._tally.refused(error)
            await delivery.reject()
            crash_point("stage.after_reject")
            return None
        return message, delivery

    async def _process_group(self, pairs: Sequence[tuple[M, Delivery]], tried_alone: int | None = None) -> None:
        if self._process.tracing is None:
            await self._finish_group(pairs, tried_alone)
            return
        spans = [self._span(self._process.tracing, *pair) for pair in pairs]
        ends: Sequence[Result] | None = None
        try:
            ends = await self._finish_group(pairs, tried_alone)
        finally:
            for span, outcome in zip(spans, ends or [_GIVEN_BACK] * len(spans), strict=True):
                end(span, outcome)

    def _span(self, tracing: Tracing, message: M, delivery: Delivery) -> Span:
        return received(
            tracing, self._broker.server, self._lane.queue, delivery, message.mail_id, message.mailbox, self._lane.stage
        )

    async def _finish_group(
        self, pairs: Sequence[tuple[M, Delivery]], tried_alone: int | None
    ) -> Sequence[Result] | None:
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
            self._tally.count(
                [message for (message, _), _ in over], [one for _, one in over], clock.monotonic() - started
            )
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

    async def _once(self, messages: Sequence[M], tried_alone: int | None = None) -> Sequence[Result]:
        doomed = None if tried_alone is None else await self._failures.of_suspect(messages[0], tried_alone)
        outcomes = [doomed] if doomed else await self._handled(messages)
        await self._broker.publish_all([out for one in outcomes if isinstance(one, Outcome) for out in one.publish])
        crash_point("stage.after_publish")
        await self._handler.settle(messages, outcomes)
        crash_point("stage.after_settle")
        if tried_alone is None:
            outcomes = [self._or_held(message, one) for message, one in zip(messages, outcomes, strict=True)]
        await self._failures.write_down(messages, outcomes)
        return outcomes

    def _or_held(self, message: M, outcome: Result) -> Result:
        """What became of a mail: that it is held, if it waits for another one and not for long yet."""
        now = self._process.clock.monotonic()
        if isinstance(outcome, Soon) and now < self._held_until.setdefault(message.mail_id, now + MOMENTS):
            return _HELD
        self._held_until.pop(message.mail_id, None)
        return outcome

    async def _handled(self, messages: Sequence[M]) -> list[Result]:
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


async def _acknowledge(deliveries: Iterable[Delivery]) -> None:
    await acknowledge(deliveries)
    crash_point("stage.after_ack")


async def _give_back(deliveries: Iterable[Delivery]) -> None:
    for delivery in deliveries:
        await delivery.give_back()
    crash_point("stage.after_give_back")
