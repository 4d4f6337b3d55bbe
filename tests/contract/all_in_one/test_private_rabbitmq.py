"""The private RabbitMQ node: beside any other, its data kept, nothing left behind."""

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import aio_pika
import pytest

from services.all_in_one.process import wait_for, wait_until
from services.all_in_one.rabbitmq import RabbitMQ
from shared.domain.errors import ConfigurationError
from tests.support.processes import alive, session_of
from tests.support.rabbitmq import has_settled, rabbitmq_url

__all__ = ["rabbitmq_url"]

QUORUM = {"x-queue-type": "quorum"}


async def _publish(url: str) -> None:
    async with await aio_pika.connect(url) as connection:
        channel = await connection.channel(publisher_confirms=True)
        await channel.declare_queue("kept", durable=True, arguments=QUORUM)
        mail = aio_pika.Message(b"kept", delivery_mode=aio_pika.DeliveryMode.PERSISTENT)
        await channel.default_exchange.publish(mail, "kept", mandatory=True)


async def _is_kept(url: str) -> bool:
    """Whether the message is there; a queue of a node that just started takes a moment to lead itself again."""
    async with await aio_pika.connect(url) as connection:
        channel = await connection.channel()
        queue = await channel.declare_queue("kept", durable=True, arguments=QUORUM, passive=True)

        async def got() -> bool:
            message = await queue.get(fail=False)
            return message is not None and message.body == b"kept"

        return await wait_for(got, 10)


async def test_a_node_runs_beside_another_with_secrets_of_its_own_and_keeps_what_it_confirmed_when_killed(
    tmp_path: Path, rabbitmq_url: str
) -> None:
    """Its name comes from its folder: another object (another run, other ports) has the same data."""
    async with RabbitMQ(tmp_path / "node") as node:
        sessions = [session_of(pid) for pid in node.pids]
        await _publish(node.url)
        async with await aio_pika.connect(rabbitmq_url) as connection:
            assert not connection.is_closed
        for name in ("password", "rabbitmq.conf", "home/.erlang.cookie"):
            assert (node.folder / name).stat().st_mode & 0o077 == 0, name
        with pytest.raises(aio_pika.exceptions.AMQPConnectionError, match="ACCESS_REFUSED"):
            await aio_pika.connect(f"amqp://guest:guest@127.0.0.1:{node.port}/")
        assert await has_settled(node, "kept")
        await node.kill()
        assert await wait_until(lambda: not alive(*sessions), 10)
    async with RabbitMQ(tmp_path / "node") as later:
        assert later.port != node.port
        assert await _is_kept(later.url)
        sessions = [session_of(pid) for pid in later.pids]
    assert await wait_until(lambda: not alive(*sessions), 10)


async def test_a_node_whose_starter_is_killed_ends_and_its_folder_can_be_used_at_once(tmp_path: Path) -> None:
    """Two nodes on one folder would ruin it: the second waits until the first has let go."""
    code = (
        "import asyncio, sys\nfrom pathlib import Path\nfrom services.all_in_one.rabbitmq import RabbitMQ\n"
        "async def main():\n"
        "    node = RabbitMQ(Path(sys.argv[1]))\n"
        "    await node.start()\n"
        "    print(*node.pids, flush=True)\n"
        "    await asyncio.sleep(3600)\n"
        "asyncio.run(main())\n"
    )
    folder = tmp_path / "node"
    starter = subprocess.Popen([sys.executable, "-c", code, str(folder)], stdout=subprocess.PIPE)
    assert starter.stdout is not None
    try:
        pids = [int(pid) for pid in (await asyncio.to_thread(starter.stdout.readline)).split()]
        sessions = [session_of(pid) for pid in pids]
        assert len(sessions) == 2 and alive(*sessions)
    finally:
        os.kill(starter.pid, signal.SIGKILL)
        starter.wait()
    async with RabbitMQ(folder) as later:
        assert not alive(*sessions)
        await _publish(later.url)
        with pytest.raises(ConfigurationError, match="already runs on this folder"):
            await RabbitMQ(folder).start(patience=0.5)
        assert await _is_kept(later.url)
