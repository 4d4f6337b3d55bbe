"""A real RabbitMQ for the whole test session: import the fixture `rabbitmq_url` into a conftest or a test file.

In this order: MAIL_AUTOMATOR_TEST_BROKER_URL, a container if an engine answers (image by
MAIL_AUTOMATOR_TEST_RABBITMQ_IMAGE), Debian's server as a private node, skipped with its reason.
Tests that stop or kill the broker take `private_rabbitmq`, a node of their own.
"""

import asyncio
import os
import warnings
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

from services.all_in_one.process import wait_until
from services.all_in_one.rabbitmq import BINARY, RabbitMQ
from tests.support.canary import secret
from tests.support.engine import container_engine

IMAGE = "rabbitmq:4"
PASSWORD = secret("session-only")


@pytest.fixture(scope="session")
def rabbitmq_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """AMQP URL of a broker that is shared by the session: use queue names or virtual hosts of your own, or purge."""
    if given := os.environ.get("MAIL_AUTOMATOR_TEST_BROKER_URL"):
        yield given
    elif container_engine() and (container := _container()):
        try:
            host, port = container.get_container_host_ip(), container.get_exposed_port(5672)
            yield f"amqp://tests:{PASSWORD}@{host}:{port}/"
        finally:
            container.stop()
    else:
        yield from _native(tmp_path_factory.mktemp("rabbitmq"))


@pytest_asyncio.fixture
async def private_rabbitmq(tmp_path: Path) -> AsyncIterator[RabbitMQ]:
    """A running node of this test alone, about 10 s to start; the test may stop, kill and start it."""
    _need_binary()
    async with RabbitMQ(tmp_path / "rabbitmq") as node:
        yield node


async def has_settled(node: RabbitMQ, *queues: str) -> bool:
    """Whether the names of these quorum queues are on the node's disk within 10 s.

    Before that a kill leaves them without a leader for ever (services/all_in_one/first_moments.py).
    """
    files = [*node.folder.rglob("names.dets")]
    return await wait_until(
        lambda: any(all(name.encode() in file.read_bytes() for name in queues) for file in files), 10
    )


def _native(folder: Path) -> Iterator[str]:
    _need_binary()
    node = RabbitMQ(folder)
    asyncio.run(node.start())
    try:
        yield node.url
    finally:
        asyncio.run(node.stop())


def _need_binary() -> None:
    if not BINARY.exists():
        pytest.skip("no broker: no URL is given, no container engine answers, rabbitmq-server is not installed")


def _container():
    """A started container, or None with a warning when the engine cannot provide it (no image, no network)."""
    from testcontainers.core.container import DockerContainer
    from testcontainers.core.wait_strategies import LogMessageWaitStrategy

    image = os.environ.get("MAIL_AUTOMATOR_TEST_RABBITMQ_IMAGE", IMAGE)
    container = (
        DockerContainer(image)
        .with_exposed_ports(5672)
        .with_env("RABBITMQ_DEFAULT_USER", "tests")
        .with_env("RABBITMQ_DEFAULT_PASS", PASSWORD)
        .waiting_for(LogMessageWaitStrategy("Server startup complete").with_startup_timeout(90))
    )
    try:
        return container.start()
    except Exception as error:  # noqa: BLE001 - whatever the engine says, the native node is the way out
        warnings.warn(f"container of {image} did not start ({type(error).__name__}); using a native node", stacklevel=2)
        return None
