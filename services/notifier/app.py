"""Composes the notifier: it takes news of tickets on one side and sends on the other; any number of replicas."""

import asyncio
import secrets
import socket
from collections.abc import Callable, Sequence, Set
from contextlib import suppress
from datetime import timedelta

import structlog

from services.notifier.access import Access
from services.notifier.event import created
from services.notifier.handler import Notifier
from services.notifier.keeper import Keeper
from services.notifier.lanes import Lanes
from services.notifier.ports import Identity
from services.notifier.settings import NotifierSettings
from services.notifier.smtp.session import Session, open_session
from services.notifier.spans import taking
from services.notifier.tools import Tools
from shared.broker import topology
from shared.broker.delivery import Delivery, acknowledge
from shared.contracts.events import TicketCreatedV1
from shared.domain.errors import MalformedMessage, StoreUnavailable, Transient
from shared.domain.mailbox import Smtp
from shared.oauth.authorities import Authorities
from shared.oauth.delegated import DelegatedTokens
from shared.oauth.settings import OAuthSettings
from shared.oauth.tokens import MicrosoftTokens
from shared.observability.crash_points import crash_point
from shared.runtime.process import Process
from shared.runtime.pulse import WAITING_SECONDS
from shared.runtime.schedule import every
from shared.runtime.settings import read
from shared.runtime.stage import Doors, doors

log = structlog.get_logger(__name__)

MEASURE_SECONDS = 15.0
COUNTING_SHARE = 0.01
"""The share of the time that counting acknowledgements may take: it grows with all that were ever sent."""
LINGER_SECONDS = 0.4
"""How long news of tickets are gathered: no sender misses that of his answer, and each ticket asks the store less."""
_UNKNOWN_TICKET_PAUSES = (0.5, 1.0, 2.0, 4.0)
"""How long the news of a ticket waits for the ticket itself: it may overtake it where a store's replica lags."""

Received = tuple[Delivery, TicketCreatedV1]


async def main(process: Process) -> None:
    """Run until the process drains; what is being sent then comes to its end, or to an honest state."""
    settings = read(NotifierSettings, process.environ)
    oauth = read(OAuthSettings, process.environ)
    authorities = Authorities.of(oauth)
    tokens = MicrosoftTokens(authorities, process.clock, oauth.timeout_seconds)
    async with doors(process) as open_doors:
        people = DelegatedTokens(authorities, process.clock, open_doors.store.sign_ins, oauth.timeout_seconds)
        tools = await compose(open_doors, settings, tokens, people)
        lanes = Lanes(tools, settings.burst, process.draining)
        keeper = Keeper(tools, lanes)
        notifier = _notifier(open_doors, tools, timedelta(seconds=settings.forgotten_seconds), lanes.wake.set)
        renewing = asyncio.create_task(_renew(keeper, settings.claim_seconds / 3))
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(_take(open_doors, settings, notifier))
                group.create_task(_look(process, lanes, settings.look_seconds))
                group.create_task(every(process, settings.look_seconds, keeper.recover, keeper.show))
                group.create_task(every(process, settings.forgotten_seconds / 4, notifier.find_forgotten))
                group.create_task(every(process, MEASURE_SECONDS, keeper.measure))
                group.create_task(every(process, MEASURE_SECONDS, keeper.count, share=COUNTING_SHARE))
        finally:
            await lanes.drain(settings.drain_seconds)
            renewing.cancel()
            await people.close()
            tokens.close()


async def compose(
    open_doors: Doors, settings: NotifierSettings, tokens: MicrosoftTokens, people: DelegatedTokens
) -> Tools:
    """Everything that sends."""
    process, store, patience = open_doors.process, open_doors.store, settings.patience

    async def connect(smtp: Smtp, identity: Identity) -> Session:
        return await open_session(smtp, identity, patience)

    return Tools(
        worker=f"{socket.gethostname()}-{secrets.token_hex(4)}",
        tickets=store.tickets,
        outbound=store.outbound,
        sending=store.sending,
        counts=store.budgets,
        configuration=open_doors.configuration,
        access=Access(connect, store.secrets, tokens, people),
        marks=await store.mark_keys.marks(),
        budgets=settings.budgets,
        waits=settings.waits,
        ttl=timedelta(seconds=settings.claim_seconds),
        clock=process.clock,
        metrics=process.metrics,
        tracing=process.tracing,
    )


def _notifier(open_doors: Doors, tools: Tools, forgotten: timedelta, wake: Callable[[], None]) -> Notifier:
    return Notifier(
        tools.tickets,
        tools.outbound,
        tools.sending,
        tools.configuration,
        tools.clock,
        tools.metrics,
        forgotten,
        wake,
        tools.tracing,
    )


async def _take(open_doors: Doors, settings: NotifierSettings, notifier: Notifier) -> None:
    process = open_doors.process
    subscription = await open_doors.broker.subscribe(topology.NOTIFIER.name, settings.window)
    process.ready("broker", True)
    try:
        with process.pulse.loop("news of tickets"):
            while not process.draining.is_set():
                if not await process.permitted():
                    continue
                deliveries = await subscription.batch(settings.batch, wait_seconds=1, linger=LINGER_SECONDS)
                process.beat()
                process.ready("broker", open_doors.broker.connected)
                received = [one for delivery in deliveries if (one := await _read(process, delivery))]
                if received:
                    work = f"a batch of {len(received)}"
                    with process.pulse.at(work), taking(process.tracing, open_doors.broker, received) as unknown:
                        unknown.update(await _taken(process, notifier, received))
    finally:
        await subscription.stop()


async def _read(process: Process, delivery: Delivery) -> Received | None:
    try:
        return delivery, created(delivery.envelope)
    except MalformedMessage as error:
        process.metrics.dead_letters.labels("notifier", error.code).inc()
        log.error("message_refused", stage="notifier", error=error.line())
        await delivery.reject()
        crash_point("notifier.after_reject")
        return None


async def _taken(process: Process, notifier: Notifier, received: Sequence[Received]) -> frozenset[str]:
    """Acknowledged when it is written down, and not before. A store that is away is waited for. Returns the tickets
    that are not there: their news is refused."""
    for pause in (*_UNKNOWN_TICKET_PAUSES, None):
        unknown = await _patiently(process, notifier, {event.ticket_id for _, event in received})
        if unknown is None:
            for delivery, _ in received:
                await delivery.give_back()
            crash_point("notifier.after_give_back")
            return frozenset()
        await acknowledge(delivery for delivery, event in received if event.ticket_id not in unknown)
        crash_point("notifier.after_ack")
        received = [one for one in received if one[1].ticket_id in unknown]
        if not received:
            return frozenset()
        if pause is not None:
            await process.pause(pause)
    for delivery, event in received:
        process.metrics.dead_letters.labels("notifier", "unknown_ticket").inc()
        log.error("unknown_ticket", stage="notifier", ticket_id=event.ticket_id[:60])
        await delivery.reject()
        crash_point("notifier.after_unknown_ticket")
    return frozenset(event.ticket_id for _, event in received)


async def _patiently(process: Process, notifier: Notifier, tickets: Set[str]) -> frozenset[str] | None:
    """What `take` says; None if the process drains while work is held, or the store is away."""
    pause = 0.5
    while await process.may_go_on():
        try:
            unknown = await notifier.take(tickets)
        except StoreUnavailable as error:
            process.ready("store", False)
            log.warning("waiting", stage="notifier", error=error.line(), held=len(tickets))
            if await process.pause(pause):
                return None
            process.beat()
            pause = min(pause * 2, 15)
        else:
            process.ready("store", True)
            return unknown
    return None


async def _look(process: Process, lanes: Lanes, seconds: float) -> None:
    """Look for what is due every few seconds, and at once when there is reason to."""
    with process.pulse.loop("lanes"):
        while not process.draining.is_set():
            if await process.permitted():
                await _look_once(process, lanes, seconds)
                await _until_woken(process, lanes, seconds)


async def _look_once(process: Process, lanes: Lanes, seconds: float) -> None:
    try:
        with process.pulse.at("what is due"):
            await lanes.look()
    except Transient as error:
        log.warning("put_off", work="look", error=error.line())
        await process.pause(seconds)


async def _until_woken(process: Process, lanes: Lanes, seconds: float) -> None:
    process.beat()
    waits = [asyncio.create_task(one.wait()) for one in (lanes.wake, process.draining)]
    with process.pulse.at("a pause", within=seconds + WAITING_SECONDS):
        await asyncio.wait(waits, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    for task in waits:
        task.cancel()
    lanes.wake.clear()


async def _renew(keeper: Keeper, seconds: float) -> None:
    """Until it is cancelled: also while the process drains, for what is still being sent."""
    with suppress(asyncio.CancelledError):
        while True:
            await asyncio.sleep(seconds)
            try:
                await keeper.renew()
            except Transient as error:
                log.warning("put_off", work="renew", error=error.line())
