"""A connection to RabbitMQ, tried again until its deadline; what cannot be reached is one clear line."""

import asyncio
from collections.abc import Generator
from contextlib import contextmanager
from typing import NamedTuple
from urllib.parse import urlsplit

import aio_pika
import structlog
from aio_pika.abc import AbstractRobustConnection
from aio_pika.exceptions import AMQPError

from shared.broker.settings import BrokerSettings
from shared.domain.errors import BrokerUnavailable, ConfigurationError

log = structlog.get_logger(__name__)

TROUBLE = (AMQPError, ConnectionError, OSError, TimeoutError, RuntimeError)
"""Every way in which the driver says that the broker did not do what was asked."""


@contextmanager
def cancellable() -> Generator[None]:
    """A cancellation that the driver loses within is raised at the end: one that meets a closing channel becomes the
    channel's error, or nothing at all, and whoever was cancelled would go on."""
    task = asyncio.current_task()
    before = task.cancelling() if task is not None else 0
    try:
        yield
    finally:
        if task is not None and task.cancelling() > before:
            raise asyncio.CancelledError


class Server(NamedTuple):
    """Where the broker is; nothing of the credentials."""

    host: str
    port: int


def server(settings: BrokerSettings) -> Server:
    """Where the settings say that it is."""
    parts = urlsplit(settings.url.get_secret_value())
    return Server(str(parts.hostname), parts.port or 5672)


def place(settings: BrokerSettings) -> str:
    """Host and port, for messages to people; never the credentials."""
    found = server(settings)
    return f"{found.host}:{found.port}"


async def dial(settings: BrokerSettings, name: str) -> AbstractRobustConnection:
    """Connect, trying again until the deadline of the settings. `name` is what the broker lists the connection as.

    Raises BrokerUnavailable (host and port, never credentials) or ConfigurationError.
    """
    loop, where = asyncio.get_running_loop(), place(settings)
    deadline = loop.time() + settings.connect_deadline_seconds
    pause = 0.5
    while True:
        try:
            return await aio_pika.connect_robust(
                settings.url.get_secret_value(),
                heartbeat=settings.heartbeat_seconds,
                timeout=10,
                reconnect_interval=1,
                client_properties={"connection_name": f"mail-automator {name}"},
            )
        except (aio_pika.exceptions.ProbableAuthenticationError, aio_pika.exceptions.AuthenticationError):
            raise ConfigurationError(
                "RabbitMQ refused the user name or password",
                where=where,
                remedy="correct MAIL_AUTOMATOR_BROKER_URL",
                code="broker_credentials",
            ) from None
        except TROUBLE as error:
            if loop.time() + pause > deadline:
                raise BrokerUnavailable(
                    f"RabbitMQ does not answer: {type(error).__name__}",
                    where=where,
                    remedy="start it, or correct MAIL_AUTOMATOR_BROKER_URL",
                ) from None
            log.warning("broker_unreachable", where=where, error=type(error).__name__, next_try_seconds=pause)
            await asyncio.sleep(pause)
            pause = min(pause * 2, 10)
