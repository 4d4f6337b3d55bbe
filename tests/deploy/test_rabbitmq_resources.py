"""The resources of RabbitMQ's Messaging Topology Operator say what shared/broker/topology.py says, and a real broker
that is made by them serves the services in verify mode.

Write them anew with `python -m tests.deploy.test_rabbitmq_resources`.
"""

import asyncio
import subprocess
from collections.abc import AsyncIterator
from typing import Any

import aio_pika
import pytest
import pytest_asyncio
import yaml
from pydantic import SecretStr

from services.all_in_one.rabbitmq import RabbitMQ
from shared.broker import declaring, topology
from shared.broker.client import Broker
from shared.broker.messages import Outgoing
from shared.broker.settings import BrokerSettings
from shared.contracts.codec import Envelope
from shared.domain.errors import BrokerUnavailable, ConfigurationError
from shared.observability.metrics import Metrics
from tests.deploy.manifests import TREE, Manifest, of_kind, rendered
from tests.support.canary import secret
from tests.support.rabbitmq import has_settled

FILE = TREE / "components" / "rabbitmq-operator" / "topology.yaml"
API = "rabbitmq.com/v1beta1"
CLUSTER = {"name": "rabbitmq"}
USER = "mail-automator-rabbitmq-user"

HEAD = """\
# Written from shared/broker/topology.py by `python -m tests.deploy.test_rabbitmq_resources`. The arguments are those
# of services that declare: MAIL_AUTOMATOR_BROKER_TOPOLOGY can be changed both ways, and no queue need be deleted.
"""

OWN = "amq_[0-9a-f]+"
"""Queues that a process makes for itself, and that go with it: aio-pika gives them such names."""


def resources() -> list[Manifest]:
    """Every exchange, queue and binding, and a user that may use all of it and declare none."""
    exchanges = [_exchange(one) for one in topology.EXCHANGES]
    queues = [_queue(one) for one in topology.QUEUES]
    bindings = [_binding(one) for one in topology.QUEUES]
    return [*exchanges, *queues, *bindings, _user(), _permission()]


def page() -> str:
    return HEAD + yaml.safe_dump_all(resources(), sort_keys=False, explicit_start=True)


def _named(kind: str, name: str, spec: dict[str, Any]) -> Manifest:
    metadata = {"name": name.replace(".", "-").replace("_", "-"), "labels": {"app.kubernetes.io/component": "topology"}}
    return {
        "apiVersion": API,
        "kind": kind,
        "metadata": metadata,
        "spec": {**spec, "rabbitmqClusterReference": dict(CLUSTER)},
    }


def _exchange(one: topology.Exchange) -> Manifest:
    spec = {"name": one.name, "vhost": "/", "type": one.kind, "durable": True, "autoDelete": False}
    return _named("Exchange", f"mail-automator-{one.name}", spec)


def _queue(one: topology.Queue) -> Manifest:
    arguments = {name: value for name, value in one.arguments.items() if name != "x-queue-type"}
    spec = {"name": one.name, "vhost": "/", "type": one.arguments["x-queue-type"], "durable": True, "autoDelete": False}
    return _named("Queue", f"mail-automator-{one.name}", {**spec, "arguments": arguments} if arguments else spec)


def _binding(one: topology.Queue) -> Manifest:
    spec = {"source": one.exchange, "destination": one.name, "destinationType": "queue", "vhost": "/"}
    return _named("Binding", f"mail-automator-{one.name}", {**spec, "routingKey": one.key} if one.key else spec)


def _user() -> Manifest:
    return _named("User", "mail-automator", {"importCredentialsSecret": {"name": USER}})


def _permission() -> Manifest:
    """Events and hints are heard on queues of one's own; everything else is only used."""
    published = [topology.MAIL, topology.TICKETS, topology.CONFIG]
    heard = [topology.TICKETS, topology.CONFIG, *(one.name for one in topology.QUEUES)]
    rights = {"configure": f"^{OWN}$", "write": _any(published), "read": _any(heard)}
    return _named(
        "Permission",
        "mail-automator",
        {"vhost": "/", "userReference": {"name": "mail-automator"}, "permissions": rights},
    )


def _any(names: list[str]) -> str:
    return f"^({'|'.join([OWN, *(name.replace('.', chr(92) + '.') for name in names)])})$"


def test_the_resources_are_what_the_code_says() -> None:
    """A new queue is a new resource."""
    assert FILE.read_text() == page()


@pytest_asyncio.fixture
async def made(private_rabbitmq: RabbitMQ) -> AsyncIterator[BrokerSettings]:
    """A broker on which everything was made by the rendered resources, as the operator would; how its user gets in."""
    manifests, password = rendered("production"), secret("of-the-operator")
    async with await aio_pika.connect(private_rabbitmq.url) as connection:
        channel = await connection.channel()
        for spec in _specs(manifests, "Exchange"):
            await channel.declare_exchange(spec["name"], spec["type"], durable=spec["durable"])
        for spec in _specs(manifests, "Queue"):
            arguments = {"x-queue-type": spec["type"], **spec.get("arguments", {})}
            await channel.declare_queue(spec["name"], durable=spec["durable"], arguments=arguments)
        for spec in _specs(manifests, "Binding"):
            queue = await channel.get_queue(spec["destination"], ensure=False)
            await queue.bind(spec["source"], spec.get("routingKey", ""))
    (permission,) = _specs(manifests, "Permission")
    rights = [permission["permissions"][name] for name in ("configure", "write", "read")]
    _ctl(private_rabbitmq, "add_user", "services", password)
    _ctl(private_rabbitmq, "set_permissions", "-p", permission["vhost"], "services", *rights)
    host = private_rabbitmq.url.rpartition("@")[2]
    url = SecretStr(f"amqp://services:{password}@{host}")
    yield BrokerSettings(url=url, topology="verify", connect_deadline_seconds=30)


def _specs(manifests: list[Manifest], kind: str) -> list[dict[str, Any]]:
    return [one["spec"] for one in of_kind(manifests, kind)]


def _ctl(node: RabbitMQ, *words: str) -> None:
    command = ["/usr/lib/rabbitmq/bin/rabbitmqctl", *words]
    done = subprocess.run(command, env=node.environment, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.timeout(180)
@pytest.mark.servers
async def test_a_broker_made_by_the_resources_is_complete_equal_and_enough_for_a_user_who_may_declare_nothing(
    made: BrokerSettings, private_rabbitmq: RabbitMQ
) -> None:
    """Also after the broker was restarted, when every consumer is made again."""
    found = await declaring.look(BrokerSettings(url=SecretStr(private_rabbitmq.url)))
    assert {one.state.value for one in found} == {"there"}, found
    assert {one.state.value for one in await declaring.look(made)} == {"uncompared"}
    with pytest.raises(ConfigurationError) as caught:
        await Broker.connect(made.model_copy(update={"topology": "declare"}), Metrics("test", "0"))
    assert caught.value.code == "topology_refused"
    door = await Broker.connect(made, Metrics("test", "0"))
    try:
        await _every_queue_gets_its_message(door, "before")
        assert await has_settled(private_rabbitmq, *(one.name for one in topology.QUEUES))
        await private_rabbitmq.kill()
        await private_rabbitmq.start()
        await _every_queue_gets_its_message(door, "after")
    finally:
        await door.close()


async def _every_queue_gets_its_message(door: Broker, mail_id: str) -> None:
    """By the binding of each; the dead letters get those that are rejected."""
    await _patiently(door, [_outgoing(one, mail_id) for one in topology.QUEUES if one.exchange != topology.DEAD])
    heard = await door.listen(topology.CONFIG)
    for queue in topology.QUEUES:
        subscription = await door.subscribe(queue.name, window=10)
        async with asyncio.timeout(30):
            while not (got := await subscription.batch(10, wait_seconds=1)):
                pass
        for one in got:
            assert one.envelope.message_id == mail_id or queue is topology.DEAD_LETTERS
            await (one.reject() if queue is topology.FILTER else one.ack())
        await subscription.stop()
    await heard.stop()


def _outgoing(queue: topology.Queue, mail_id: str) -> Outgoing:
    key = queue.key.replace("#", "x")
    return Outgoing(queue.exchange, key, Envelope(b"{}", "application/json", key, mail_id, {}))


async def _patiently(door: Broker, burst: list[Outgoing]) -> None:
    async with asyncio.timeout(60):
        while True:
            try:
                await door.publish_all(burst)
                return
            except BrokerUnavailable:
                await asyncio.sleep(0.5)


if __name__ == "__main__":
    FILE.write_text(page())
