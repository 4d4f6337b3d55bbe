"""The private RabbitMQ node: beside any other, its data kept, nothing left behind."""

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import aio_pika

from services.all_in_one.process import wait_until
from services.all_in_one.rabbitmq import RabbitMQ
from tests.support.processes import alive, session_of
from tests.support.rabbitmq import private_rabbitmq

__all__ = ["private_rabbitmq"]

QUORUM = {"x-queue-type": "quorum"}


async def _publish(url: str) -> None:
    async with await aio_pika.connect(url) as connection:
        channel = await connection.channel(publisher_confirms=True)
        await channel.declare_queue("kept", durable=True, arguments=QUORUM)
        mail = aio_pika.Message(b"kept", delivery_mode=aio_pika.DeliveryMode.PERSISTENT)
        await channel.default_exchange.publish(mail, "kept", mandatory=True)


async def _count(url: str) -> int:
    async with await aio_pika.connect(url) as connection:
        channel = await connection.channel()
        queue = await channel.declare_queue("kept", durable=True, arguments=QUORUM, passive=True)
        return queue.declaration_result.message_count or 0


async def test_a_confirmed_message_is_there_after_a_stop_and_after_a_kill(private_rabbitmq: RabbitMQ) -> None:
    """Ports change between starts, the node's name does not: the data is found again."""
    await _publish(private_rabbitmq.url)
    await private_rabbitmq.stop()
    await private_rabbitmq.start()
    assert await _count(private_rabbitmq.url) == 1
    await private_rabbitmq.kill()
    await private_rabbitmq.start()
    assert await _count(private_rabbitmq.url) == 1


async def test_two_nodes_run_beside_each_other_and_leave_no_process_behind(
    private_rabbitmq: RabbitMQ, tmp_path: Path
) -> None:
    async with RabbitMQ(tmp_path / "second") as second:
        assert second.node_name != private_rabbitmq.node_name
        await _publish(private_rabbitmq.url)
        await _publish(second.url)
        sessions = [session_of(pid) for pid in second.pids]
        assert len(sessions) == 2
    assert await wait_until(lambda: not alive(*sessions), 10)
    assert await _count(private_rabbitmq.url) == 1


async def test_the_guest_user_is_not_there_and_secrets_are_private(private_rabbitmq: RabbitMQ) -> None:
    guest = f"amqp://guest:guest@127.0.0.1:{private_rabbitmq.port}/"
    try:
        await aio_pika.connect(guest)
    except aio_pika.exceptions.AMQPConnectionError as refusal:
        assert "ACCESS_REFUSED" in str(refusal)
    else:
        raise AssertionError("guest could log in")
    for name in ("password", "rabbitmq.conf", "home/.erlang.cookie"):
        assert (private_rabbitmq.folder / name).stat().st_mode & 0o077 == 0, name


async def test_node_and_epmd_die_with_a_starter_that_is_killed(tmp_path: Path) -> None:
    code = (
        "import asyncio, sys\nfrom pathlib import Path\nfrom services.all_in_one.rabbitmq import RabbitMQ\n"
        "async def main():\n"
        "    node = RabbitMQ(Path(sys.argv[1]))\n"
        "    await node.start()\n"
        "    print(*node.pids, flush=True)\n"
        "    await asyncio.sleep(3600)\n"
        "asyncio.run(main())\n"
    )
    starter = subprocess.Popen([sys.executable, "-c", code, str(tmp_path / "node")], stdout=subprocess.PIPE)
    assert starter.stdout is not None
    try:
        pids = [int(pid) for pid in (await asyncio.to_thread(starter.stdout.readline)).split()]
        assert len(pids) == 2
        sessions = [session_of(pid) for pid in pids]
        assert alive(*sessions)
    finally:
        os.kill(starter.pid, signal.SIGKILL)
        starter.wait()
    assert await wait_until(lambda: not alive(*sessions), 20)
