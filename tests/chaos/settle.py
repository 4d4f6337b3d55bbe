"""Waiting until the world is at rest: every UID seen, every mail final, nothing on the queues, nothing owed."""

import asyncio
import imaplib
from collections.abc import Sequence
from datetime import UTC, datetime

import aio_pika
from aio_pika.abc import AbstractConnection

from shared.broker.topology import DEAD_LETTERS
from shared.domain.errors import AutomatorError
from shared.domain.ticket import AcknowledgementState
from tests.chaos.events import QUEUE
from tests.chaos.folders import uids
from tests.chaos.world import World

BELT = ("mail.filter", "mail.classifier", "mail.ticket_writer", "tickets.notifier", QUEUE, DEAD_LETTERS.name)
"""Nothing may lie there at rest. What a consumer holds unacknowledged is in flight in the ledger as well."""
ON_THE_WAY = (AcknowledgementState.PENDING, AcknowledgementState.CLAIMED, AcknowledgementState.DATA_STARTED)
AWAY = (AutomatorError, OSError, imaplib.IMAP4.error, aio_pika.exceptions.AMQPError)


async def settle(world: World, seconds: float = 180) -> Sequence[str]:
    """What is still not at rest after so long; empty if all is."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + seconds
    calm = 0
    missing: Sequence[str] = ("nothing was looked at",)
    while loop.time() < deadline:
        began = loop.time()
        try:
            missing = await _unrest(world)
        except AWAY as error:
            missing = (error.line() if isinstance(error, AutomatorError) else f"{type(error).__name__}: {error}",)
        calm = 0 if missing else calm + 1
        if calm == 2:
            return ()
        await asyncio.sleep(max(0.7, loop.time() - began))
    return missing


async def _unrest(world: World) -> Sequence[str]:
    """The first things that are not at rest: what costs little is looked at first."""
    for look in (_queues, _ledger, _owed, _acknowledgements, _sightings):
        if found := await look(world):
            return found
    return ()


async def _queues(world: World) -> Sequence[str]:
    connection = await aio_pika.connect(world.rabbitmq.url)
    async with connection:
        return [f"{name} has {n} messages" for name in BELT if (n := await _depth(connection, name))]


async def _depth(connection: AbstractConnection, queue: str) -> int:
    """Messages ready on a queue; 0 if there is none of that name."""
    channel = await connection.channel()
    try:
        return (await channel.declare_queue(queue, passive=True)).declaration_result.message_count or 0
    except aio_pika.exceptions.ChannelClosed:
        return 0


async def _ledger(world: World) -> Sequence[str]:
    attempts = [one for one in world.oracle.read()[0].values() if one.mailbox not in world.withheld]
    counts = await world.store.ledger.count_by_outcome()
    told = [outcomes for mailbox, outcomes in counts.items() if mailbox not in world.withheld]
    known = sum(count for outcomes in told for count in outcomes.values())
    in_flight = sum(outcomes.get("in_flight", 0) for outcomes in counts.values())
    found = [f"{len(attempts) - known} of {len(attempts)} mails are not in the ledger"] if known < len(attempts) else []
    return [*found, f"{in_flight} mails are in flight"] if in_flight else found


async def _owed(world: World) -> Sequence[str]:
    now = datetime.now(UTC)
    owed = [
        *await world.store.tickets.pending_outbox(now, 10),
        *await world.store.articles.pending_outbox(now, 10),
        *await world.store.ledger.pending_outbox(now, 10),
    ]
    return [f"{len(owed)} events, or more, are owed"] if owed else []


async def _acknowledgements(world: World) -> Sequence[str]:
    counts = await world.store.outbound.count_by_state()
    waiting = sum(counts.get(state.value, 0) for state in ON_THE_WAY)
    untold = len(await world.store.tickets.unanswered(datetime.now(UTC), 1000))
    return [f"{waiting} acknowledgements are on their way, {untold} not decided"] if waiting or untold else []


async def _sightings(world: World) -> Sequence[str]:
    """I13: each UID that the server lists has a sighting. Where only tokens open a mailbox, it is not asked."""
    documents = {one["_id"]: one for one in await world.store.collection("mailbox_runtime").find({})}
    found: list[str] = []
    for user in (user for user, password in world.dovecot.users.items() if password):
        validity, listed = await uids(world.dovecot, user)
        cursors = documents.get(user, {}).get("cursors", {}).values()
        kept_under = max((one["uid_validity"] + (one["rollbacks"] << 32) for one in cursors), default=0)
        if kept_under % 2**32 != validity:
            found.append(f"{user} has not noticed its UIDVALIDITY")
            continue
        for at in range(0, len(listed), 5000):
            some = listed[at : at + 5000]
            missing = set(some) - await world.store.sightings.known(user, "INBOX", kept_under, some)
            found += [f"{user} has {len(missing)} UIDs without a sighting"] if missing else []
    return found
