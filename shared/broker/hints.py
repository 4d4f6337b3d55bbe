"""The hint that the configuration changed, from whoever changed it to every process. All look by themselves, too."""

import aio_pika
from aio_pika.exceptions import AMQPError
from pydantic import SecretStr

from shared.broker.topology import CONFIG

TIMEOUT_SECONDS = 3


async def configuration_changed(url: SecretStr) -> bool:
    """Tell every process at once. False if the broker does not answer: they find out within seconds anyway."""
    try:
        connection = await aio_pika.connect(url.get_secret_value(), timeout=TIMEOUT_SECONDS)
        async with connection:
            exchange = await (await connection.channel()).get_exchange(CONFIG, ensure=False)
            await exchange.publish(aio_pika.Message(b""), "", mandatory=False, timeout=TIMEOUT_SECONDS)
    except (AMQPError, OSError, TimeoutError, RuntimeError):
        return False
    return True
