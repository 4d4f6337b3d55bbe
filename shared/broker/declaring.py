"""The topology on a broker: declared where it is ours, only looked for where an operator owns it.

What AMQP cannot tell: bindings, and (without the right to declare) kinds and arguments.
"""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from enum import StrEnum

from aio_pika.abc import AbstractChannel, AbstractConnection
from aio_pika.exceptions import ChannelNotFoundEntity, ChannelPreconditionFailed
from aiormq.exceptions import ChannelAccessRefused

from shared.broker.dialling import TROUBLE, dial, place
from shared.broker.settings import BrokerSettings
from shared.broker.topology import EXCHANGES, QUEUES, Exchange, Queue
from shared.domain.errors import BrokerUnavailable, ConfigurationError

Part = Exchange | Queue


class State(StrEnum):
    """What a look at one part found."""

    THERE = "there"
    MISSING = "missing"
    DIFFERENT = "different"
    UNCOMPARED = "uncompared"
    """It is there; whether it is as it should be, this user may not ask."""


@dataclass(frozen=True, slots=True)
class Found:
    """One exchange or queue of the topology, as it is on the broker. `wrong` is the broker's own sentence."""

    part: Part
    state: State
    wrong: str = ""

    @property
    def title(self) -> str:
        """What it is, in words."""
        return title(self.part)


def title(part: Part) -> str:
    """An exchange or queue in words."""
    return f"{'exchange' if isinstance(part, Exchange) else 'queue'} {part.name}"


async def declare(connection: AbstractConnection, where: str) -> None:
    """Declare and bind everything; what is there already stays. Raises ConfigurationError."""
    channel = await connection.channel()
    try:
        for part in (*EXCHANGES, *QUEUES):
            await _put(channel, part)
    except ChannelPreconditionFailed as error:
        raise ConfigurationError(
            f"the broker has a queue or exchange of this name with other arguments: {error}",
            where=where,
            remedy="delete it when it is empty, or use another virtual host",
            code="topology_conflict",
        ) from None
    except ChannelAccessRefused as error:
        raise ConfigurationError(
            f"this user may not declare the topology: {error}",
            where=where,
            remedy="let an operator create it and set MAIL_AUTOMATOR_BROKER_TOPOLOGY=verify, or give the right",
            code="topology_refused",
        ) from None
    finally:
        await _close(channel)


async def verify(connection: AbstractConnection, where: str) -> None:
    """Look for everything, declare nothing. Raises ConfigurationError that names all that is missing."""
    missing = [title(part) for part in (*EXCHANGES, *QUEUES) if not await _there(connection, part)]
    if missing:
        raise ConfigurationError(
            f"the topology is not complete; missing: {', '.join(missing)}",
            where=where,
            remedy="let the operator create it, run `mail-automator topology apply`, "
            "or set MAIL_AUTOMATOR_BROKER_TOPOLOGY=declare",
            code="topology_missing",
        )


async def apply(settings: BrokerSettings) -> None:
    """Declare everything on that broker. Raises BrokerUnavailable or ConfigurationError."""
    async with _dialled(settings) as connection:
        await declare(connection, place(settings))


async def look(settings: BrokerSettings) -> tuple[Found, ...]:
    """Each part of the topology as it is on that broker. Raises BrokerUnavailable or ConfigurationError."""
    async with _dialled(settings) as connection:
        return tuple([await _look(connection, part) for part in (*EXCHANGES, *QUEUES)])


@asynccontextmanager
async def _dialled(settings: BrokerSettings) -> AsyncGenerator[AbstractConnection, None]:
    connection = await dial(settings, "topology")
    try:
        async with connection:
            yield connection
    except TROUBLE as error:
        what = f"RabbitMQ stopped answering: {type(error).__name__}"
        raise BrokerUnavailable(what, where=place(settings), remedy="try again") from None


async def _look(connection: AbstractConnection, part: Part) -> Found:
    """Only what is there is compared: to declare it again as it should be changes nothing, or is refused."""
    if not await _there(connection, part):
        return Found(part, State.MISSING)
    channel = await connection.channel()
    try:
        await _put(channel, part, bind=False)
    except ChannelPreconditionFailed as error:
        return Found(part, State.DIFFERENT, str(error))
    except ChannelAccessRefused:
        return Found(part, State.UNCOMPARED)
    finally:
        await _close(channel)
    return Found(part, State.THERE)


async def _put(channel: AbstractChannel, part: Part, *, bind: bool = True) -> None:
    if isinstance(part, Exchange):
        await channel.declare_exchange(part.name, part.kind, durable=True)
        return
    queue = await channel.declare_queue(part.name, durable=True, arguments={**part.arguments})
    if bind:
        await queue.bind(part.exchange, part.key)


async def _there(connection: AbstractConnection, part: Part) -> bool:
    """A channel for each: the broker closes it on a no."""
    channel = await connection.channel()
    try:
        if isinstance(part, Exchange):
            await channel.declare_exchange(part.name, passive=True)
        else:
            await channel.declare_queue(part.name, passive=True)
    except ChannelNotFoundEntity:
        return False
    finally:
        await _close(channel)
    return True


async def _close(channel: AbstractChannel) -> None:
    if not channel.is_closed:
        await channel.close()
